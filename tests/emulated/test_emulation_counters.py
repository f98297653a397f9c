"""What the emulated device counts, on kernels whose traffic is known exactly."""

import ctypes

import numpy as np
import pytest
from emulation_library import KERNELS, build_library, readonly


@pytest.fixture(scope="module")
def memory():
    return build_library("memory")


def matrix(rows, columns):
    return readonly(np.arange(rows * columns, dtype=np.float32).reshape(rows, columns))


def test_naive_transpose_loads_4_and_stores_32_sectors_a_request(memory):
    a, out = matrix(128, 128), np.zeros((128, 128), np.float32)
    counters = memory.launch("transpose", (4, 16), (32, 8), a, out, 128, instrument=True)
    assert memory.error is None
    assert (out == a.T).all()
    assert counters["global_load_requests"] == counters["global_store_requests"] == 128 * 4
    assert counters["global_load_sectors"] == 128 * 4 * 4
    assert counters["global_store_sectors"] == 128 * 4 * 32
    assert counters["global_load_bytes"] == counters["global_store_bytes"] == 128 * 128 * 4
    # a block's stores touch whole sectors: 8 rows of it make 32 bytes
    assert counters["global_store_block_sectors"] == counters["footprint_store_sectors"] == 128 * 128 // 8
    assert (counters["threads"], counters["warps"]) == (128 * 128, 512)


def test_a_sample_of_blocks_is_scaled_to_the_grid(memory):
    a, out = matrix(128, 128), np.zeros((128, 128), np.float32)
    few = memory.launch("transpose", (4, 16), (32, 8), a, out, 128, instrument=True, sampled=3)
    sampled = memory.launches[0]["sampled_blocks"]
    all_ = memory.launch("transpose", (4, 16), (32, 8), a, out, 128, instrument=True, sampled=64)
    assert (sampled, memory.launches[0]["sampled_blocks"]) == (3, 64)
    assert few["global_store_sectors"] == pytest.approx(all_["global_store_sectors"])
    assert few["footprint_load_sectors"] == all_["footprint_load_sectors"] == 2048


def test_ragged_edge_counts_only_lanes_that_exist(memory):
    a, out = matrix(33, 33), np.zeros((33, 33), np.float32)
    counters = memory.launch("transpose", (2, 33), (32, 1), a, out, 33, instrument=True, sampled=66)
    assert (out == a.T).all()
    assert counters["global_load_requests"] == 66
    assert counters["global_load_bytes"] == 33 * 33 * 4
    assert counters["partial_warp_blocks"] > 0


@pytest.mark.parametrize(("kernel", "wavefronts"), [("transpose_conflicting", 32), ("transpose_padded", 1)])
def test_bank_conflicts_of_a_tile_go_with_padding(memory, kernel, wavefronts):
    a, out = matrix(64, 64), np.zeros((64, 64), np.float32)
    counters = memory.launch(kernel, (2, 2), (32, 8), a, out, 64, instrument=True)
    assert (out == a.T).all()
    assert counters["shared_load_requests"] == counters["shared_store_requests"] == 4 * 32
    assert counters["shared_store_wavefronts"] == 4 * 32
    assert counters["shared_load_wavefronts"] == 4 * 32 * wavefronts
    assert counters["shared_load_conflicts"] == 4 * 32 * (wavefronts - 1)
    assert counters["global_store_sectors"] == counters["global_load_sectors"] == 4 * 32 * 4
    assert counters["barriers"] == 4
    assert counters["static_shared_bytes"] == 32 * 32 * 4


def test_sites_name_the_line_that_costs_most(memory):
    a, out = matrix(128, 128), np.zeros((128, 128), np.float32)
    memory.launch("transpose", (4, 16), (32, 8), a, out, 128, instrument=True)
    worst = memory.launches[0]["sites"][0]
    assert (worst["kind"], worst["size"], worst["requests"], worst["units"]) == ("global store", 4, 512, 512 * 32)
    line = (KERNELS / "memory.cu").read_text().splitlines()[memory.line_of(worst["pc"]) - 1]
    assert "out[x * n + y] = in[y * n + x]" in line


def test_float4_is_one_request_of_16_bytes_a_lane(memory):
    a, out = matrix(1, 1024), np.zeros((1, 1024), np.float32)
    counters = memory.launch("copy_float4", 1, 256, a, out, 1024, instrument=True)
    assert (out == a + 1).all()
    assert counters["global_load_requests"] == counters["global_store_requests"] == 8
    assert counters["global_load_sectors"] == counters["global_store_sectors"] == 8 * 16


def test_one_component_of_a_float4_is_an_access_of_4_bytes(memory):
    a, out = matrix(32, 4), np.zeros((32, 4), np.float32)
    counters = memory.launch("scale_components", 1, 32, a, out, instrument=True)
    assert (out == a * np.array([2, 1, 1, 1], np.float32)).all()
    assert counters["global_load_bytes"] == 32 * (4 + 16)
    assert counters["global_store_bytes"] == 32 * 16
    assert counters["global_store_requests"] == 4


def test_shared_float4_needs_four_wavefronts_and_has_no_conflict(memory):
    a, out = matrix(32, 4), np.zeros((32, 4), np.float32)
    counters = memory.launch("shared_float4", 1, 32, a, out, instrument=True)
    assert (out == a[::-1]).all()
    assert counters["shared_load_requests"] == counters["shared_store_requests"] == 1
    assert counters["shared_load_wavefronts"] == counters["shared_store_wavefronts"] == 4
    assert counters["shared_load_conflicts"] == 0


@pytest.mark.parametrize(("lanes", "wavefronts"), [(1, 4), (2, 2), (4, 1), (16, 1), (32, 1)])
def test_shared_float4_broadcast_shares_wavefronts(memory, lanes, wavefronts):
    out = np.zeros((32, 4), np.float32)
    counters = memory.launch("shared_float4_broadcast", 1, 32, out, lanes, instrument=True)
    assert (out[:, 0] == np.arange(32) // lanes).all()
    assert (counters["shared_load_wavefronts"], counters["shared_load_conflicts"]) == (wavefronts, 0)


@pytest.mark.parametrize(("stride", "wavefronts"), [(1, 2), (2, 4), (16, 32)])
def test_shared_doubles_go_by_half_warps(memory, stride, wavefronts):
    out = np.zeros(32)
    counters = memory.launch("shared_double", 1, 32, out, stride, shared=32 * stride * 8, instrument=True)
    assert (out == np.arange(32)).all()
    assert counters["shared_load_wavefronts"] == counters["shared_store_wavefronts"] == wavefronts
    assert counters["shared_load_conflicts"] == wavefronts - 2


def test_accesses_beyond_the_log_are_scaled(memory):
    n = 32 * 20_000
    out = np.zeros(32, np.float32)
    counters = memory.launch("long_walk", 1, 32, readonly(np.ones(n, np.float32)), out, n, instrument=True)
    assert out[0] == 20_000
    assert counters["global_load_requests"] == pytest.approx(20_000)
    assert counters["global_load_sectors"] == pytest.approx(80_000)
    assert counters["footprint_load_sectors"] == 80_000


@pytest.mark.parametrize("seed", [0, 1, 2, 12345])
def test_every_block_runs_once_in_any_order(memory, seed):
    visits = np.zeros((5, 6, 7), np.int32)
    memory.launch("once_each", (7, 6, 5), 1, visits, seed=seed)
    assert (visits == 1).all()


def test_dynamic_shared_memory(memory):
    a, out = matrix(1, 96), np.zeros((1, 96), np.float32)
    counters = memory.launch("dynamic_reverse", 1, 96, a, out, 96, shared=96 * 4, instrument=True)
    assert (out == a[:, ::-1]).all()
    assert (counters["shared_load_requests"], counters["shared_load_conflicts"], counters["static_shared_bytes"]) == (3, 0, 0)


def test_atomics_count_their_contention(memory):
    values, bins = readonly(np.zeros(64, np.int32)), np.zeros(4, np.int32)
    counters = memory.launch("histogram", 1, 64, values, bins, 64, instrument=True)
    assert bins.tolist() == [64, 0, 0, 0]
    assert (counters["shared_atomic_requests"], counters["shared_atomic_serial"]) == (2, 64)
    assert (counters["global_atomic_requests"], counters["global_atomic_serial"]) == (2, 2)
    spread = readonly(np.arange(64, dtype=np.int32) % 4)
    counters = memory.launch("histogram", 1, 64, spread, bins, 64, instrument=True)
    assert counters["shared_atomic_serial"] == 2 * 8


def test_divergence_shows_in_active_lanes(memory):
    out = np.ones(33, np.float32)
    diverged = memory.launch("half_warps_diverge", 1, 32, out, instrument=True)
    straight = memory.launch("transpose", 1, 32, matrix(1, 32), out[:32], 1, instrument=True)
    assert 16 <= diverged["active_lanes"] < 18
    assert diverged["partial_warp_blocks"] > 90
    assert straight["active_lanes"] > diverged["active_lanes"]


def test_launcher_with_templates_symbols_and_scratch(memory):
    memory.configure(instrument=True)
    pointer = memory.upload(np.zeros(100, np.float32))
    memory.c.solve.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
    assert memory.c.solve(None, pointer, 100) == 0
    out = np.zeros(100, np.float32)
    memory.download(pointer, out)
    memory.read_report()
    assert out.tolist() == [0.5] * 50 + [7.0] * 50
    assert [(launch["kernel"], launch["grid"], launch["block"]) for launch in memory.launches] == [
        ("fill", [4, 1, 1], [32, 1, 1]),
        ("fill<float>", [4, 1, 1], [32, 1, 1]),
    ]
    assert memory.launches[0]["line"] < memory.launches[1]["line"]
    assert memory.c.ks_emu_leaked_bytes() == 0
    a, out = matrix(1, 32), np.zeros((1, 32), np.float32)
    counters = memory.launch("weighted", 1, 32, a, out, instrument=True)
    assert (out == a * np.tile(np.array([1, 10, 100, 1000], np.float32), 8)).all()
    assert (counters["constant_requests"], counters["constant_distinct"]) == (1, 4)
