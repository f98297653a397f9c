"""What emulated kernels compute: exchange between threads in any order, and arithmetic bit by bit."""

import numpy as np
import pytest
from emulation_library import build_library, readonly

SEEDS = (0, 1, 7)


@pytest.fixture(scope="module", params=["", "-DKS_EMU_UCONTEXT"], ids=["assembly", "ucontext"])
def threads(request):
    return build_library("threads", request.param)


@pytest.fixture(scope="module")
def arithmetic():
    return build_library("arithmetic")


@pytest.mark.parametrize("seed", SEEDS)
def test_block_reduction(threads, seed):
    a, out = readonly(np.arange(1000, dtype=np.float32)), np.zeros(1, np.float32)
    counters = threads.launch("block_sum", 1, 256, a, out, 1000, seed=seed, instrument=True)
    assert out[0] == 1000 * 999 / 2
    assert counters["warp_collectives"] == 8 * 5 + 5
    assert counters["barriers"] == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_shuffles_follow_widths_and_masks(threads, seed):
    out = np.zeros((8, 32), np.int32)
    threads.launch("shuffles", 1, 32, out, seed=seed)
    lane = np.arange(32)
    assert (out[0] == 5).all()
    assert (out[1] == lane // 8 * 8 + 3).all()
    assert (out[2] == np.where(lane < 2, lane, lane - 2)).all()
    assert (out[3] == np.where(lane % 4 == 3, lane, lane + 1)).all()
    assert (out[4] == (lane ^ 1)).all()
    assert (out[5] == np.where(lane < 8, (7 - lane) * 10, 3100)).all()
    assert (out[6] == 31 * 16).all()
    assert (out[7].view(np.uint32) == np.where(lane < 16, 0x0000FFFF, 0xFFFF0000)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_exchanges_in_a_row_do_not_mix(threads, seed):
    out = np.zeros(32, np.int32)
    threads.launch("exchanges_in_a_row", 1, 32, out, seed=seed)
    lane = np.arange(32)
    assert (out == ((lane ^ 16) * 100 + lane // 4 * 4) * 100 + 31).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_votes(threads, seed):
    out = np.zeros(7, np.uint32)
    threads.launch("votes", 1, 32, out, seed=seed)
    assert out.tolist() == [sum(1 << i for i in range(0, 32, 3)), 0, 1, 0xFFF00000, 7, 1, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_cooperative_groups_in_a_partial_warp(threads, seed):
    out = np.zeros((6, 40), np.int32)
    threads.launch("tiles", 1, 40, out, seed=seed)
    assert threads.error is None
    rank = np.arange(40)
    sums = [8 * 8 * (t // 8) + 28 for t in range(40)]
    assert out[0].tolist() == sums
    assert (out[1] == rank % 8 + 1).all()
    assert (out[2] == rank // 8 * 100 + rank % 8).all()
    assert (out[3] == 3).all()
    in_warp = np.where(rank < 32, 16, 4) * 100 + rank % 32 // 2
    assert (out[4] == np.where(rank % 2, in_warp, -1)).all()
    assert out[5].tolist() == [sums[39 - t] for t in range(40)]


@pytest.mark.parametrize("seed", SEEDS)
def test_atomics(threads, seed):
    i, u, f, wide = np.zeros(8, np.int32), np.zeros(4, np.uint32), np.zeros(1, np.float32), np.zeros(2, np.uint64)
    u[3] = 0xFF
    threads.launch("atomics", 2, 64, i, u, f, wide, seed=seed)
    assert i.tolist() == [2 * 2016, 63, -63, -128, 255, 256, 0, 0]
    assert u.tolist() == [128 % 10, 5, 0, 0xF0]
    assert (f[0], int(wide[0]), int(wide[1])) == (64.0, 128 << 33, 63 << 40)


def test_threads_that_spin_let_others_run(threads):
    lock, value, flag, out = (np.zeros(1, np.int32) for _ in range(4))
    threads.launch("spin_lock", 1, 64, lock, value, seed=3)
    assert (lock[0], value[0]) == (0, 64)
    threads.launch("wait_for_flag", 1, 64, flag, out, instrument=True)
    assert out[0] == 42


def hard_floats():
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    halves = np.arange(0, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2  # exactly between two neighbours
    edge = np.array([65504, 65519.99, 65520, 1e-8, 2.0**-24, 2.0**-25, -0.0, np.inf, -np.inf], np.float32)
    values = np.concatenate([bits, ties, np.nextafter(ties, np.float32(0)), edge, rng.normal(size=20_000).astype(np.float32)])
    return readonly(values[~np.isnan(values)])


def test_half_rounds_to_nearest_even(arithmetic):
    a = hard_floats()
    out = np.zeros(a.size, np.float16)
    arithmetic.launch("to_half", -(-a.size // 256), 256, a, out, a.size)
    with np.errstate(over="ignore"):
        assert (out.view(np.uint16) == a.astype(np.float16).view(np.uint16)).all()


def test_bfloat16_rounds_to_nearest_even(arithmetic):
    a = hard_floats()
    out = np.zeros(a.size, np.uint16)
    arithmetic.launch("to_bfloat16", -(-a.size // 256), 256, a, out, a.size)
    given = (out.astype(np.uint32) << 16).view(np.float32)
    overflow = np.isinf(given)
    assert (np.abs(a[overflow]) > 3.38e38).all()
    a, given, odd = a[~overflow].astype(np.float64), given[~overflow].astype(np.float64), out[~overflow] % 2
    spacing = 2.0 ** (np.maximum(np.floor(np.log2(np.maximum(np.abs(a), 2.0**-140))), -126) - 7)
    error = np.abs(given - a)
    assert (error <= spacing / 2).all()
    tie = error == spacing / 2
    assert tie.any()
    assert (odd[tie] == 0).all()


def test_half_arithmetic_is_correctly_rounded(arithmetic):
    rng = np.random.default_rng(2)
    a, b = (readonly(rng.normal(scale=8, size=4096).astype(np.float16)) for _ in range(2))
    results = [np.zeros(4096, np.float16) for _ in range(4)]
    arithmetic.launch("half_arithmetic", 16, 256, a, b, *results, 4096)
    x, y = a.astype(np.float64), b.astype(np.float64)
    for got, exact in zip(results, (x + y, x * y, x / y, x * y + x), strict=True):
        assert (got == exact.astype(np.float16)).all()
    y2 = np.linspace(-3, 3, 64).astype(np.float16)
    expected = (np.float64(1.5) * a[:64].astype(np.float64) + y2.astype(np.float64)).astype(np.float16)
    counters = arithmetic.launch("half2_axpy", 1, 32, readonly(a[:64]), y2, 1.5, instrument=True)
    assert (y2 == expected).all()
    assert (counters["global_load_requests"], counters["global_load_sectors"]) == (2, 8)


def test_integer_intrinsics(arithmetic):
    out = np.zeros(22, np.int32)
    arithmetic.launch("integers", 1, 32, out)
    assert out[:8].tolist() == [8, 31, 32, 4, 0, -(2**31), -15, 2]
    assert out[8:12].tolist() == [0x77225500, 3, -(2**31), 20]
    assert out[12:18].tolist() == [2, -2, -3, 3, 2**31 - 1, 0]
    assert out[18:].tolist() == [0x3F800000, -2, 2, 8]


def test_float_intrinsics(arithmetic):
    x = readonly(np.linspace(0.1, 4, 32).astype(np.float32))
    out = np.zeros((32, 8), np.float32)
    arithmetic.launch("floats", 1, 32, x, out)
    d = x.astype(np.float64)
    exact = np.stack([np.exp(d), 1 / np.sqrt(d), 1 / d, d * d - 1, np.clip(d, 0, 1), np.sin(d), d**1.5, d], axis=1)
    assert np.allclose(out, exact, rtol=3e-7, atol=2e-7)
    assert (out[:, 3] == exact[:, 3].astype(np.float32)).all()
