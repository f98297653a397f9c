"""The comparator against planted errors: every one must be found, and every honest result must pass."""

import math

import numpy as np
import pytest
from numpy_lab import matrix_task

from kernelsearch.device.base import POISON
from kernelsearch.model import Case, DType, Expression, Tolerance
from kernelsearch.verify.compare import Expected, compare, rms_rows
from kernelsearch.verify.tolerance import gate
from kernelsearch.workload import encode

ROWS, COLS = 257, 1001
CASE = Case(name="c", sizes={"rows": ROWS, "cols": COLS})


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((ROWS, COLS)) + 0.3


def judge(values: np.ndarray, exact: np.ndarray, dtype: DType = DType.F32, reduction: str = "64", raw: bytes | None = None, **by_hand):
    task = matrix_task(tolerance=Tolerance(reduction=Expression(reduction), **by_hand), dtype=dtype)
    expected = Expected(values=exact, spread=np.zeros(len(rms_rows(exact))))
    return compare("y", raw or encode(values, dtype), dtype, expected, gate(task, CASE, dtype))


PLANTED = {
    "one element": lambda y: put(y, (100, 7), y[100, 7] + 1e-3),
    "last element": lambda y: put(y, (-1, -1), 0.0),
    "last row": lambda y: put(y, -1, 0.0),
    "last column": lambda y: put(y, (slice(None), -1), 0.0),
    "scale 1.01": lambda y: y * 1.01,
    "scale 1.0001": lambda y: y * 1.0001,
    "bias": lambda y: y + 1e-4,
    "dropped bias": lambda y: y - 0.3,
    "rows permuted": lambda y: np.roll(y, 1, axis=0),
    "columns permuted": lambda y: y[:, ::-1],
    "sign of one": lambda y: put(y, (0, 0), -y[0, 0]),
    "nan": lambda y: put(y, (3, 3), np.nan),
    "all nan": lambda y: np.full_like(y, np.nan),
    "inf": lambda y: put(y, (3, 3), np.inf),
    "zeros": np.zeros_like,
    "constant mean": lambda y: np.full_like(y, y.mean()),
    "mean of each row": lambda y: np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape),
    "first 64th": lambda y: np.where(np.arange(len(y))[:, None] < len(y) // 64, y, 0.0),
    "half precision": lambda y: y.astype(np.float16),
    "bfloat16": lambda y: decoded_bf16(y),
    "tf32": lambda y: tf32(y),
}


def put(values, index, value):
    changed = values.copy()
    changed[index] = value
    return changed


def decoded_bf16(values):
    return (np.frombuffer(encode(values, DType.BF16), "<u2").astype("<u4") << 16).view("<f4").reshape(values.shape)


def tf32(values):
    """Rounded to 10 explicit mantissa bits, as tensor cores read float32."""
    bits = values.astype("<f4").view("<u4")
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & np.uint32(0xFFFFE000)).view("<f4")


def test_the_rounded_exact_result_passes(exact) -> None:
    right = judge(exact, exact)
    assert (right.detail, right.worst < 0.5, right.relative < 1e-7) == ("", True, True)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_found(exact, name: str) -> None:
    wrong = judge(PLANTED[name](exact), exact)
    assert wrong.detail.startswith("y") and wrong.worst > 1 and math.isfinite(wrong.worst)


@pytest.mark.parametrize("name", [n for n in PLANTED if n not in ("half precision", "scale 1.0001", "bias", "tf32", "one element")])
@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_planted_errors_are_found_in_half_outputs(exact, name: str, dtype: DType) -> None:
    assert judge(exact, exact, dtype).detail == ""
    if (name, dtype) != ("bfloat16", DType.BF16):
        assert judge(PLANTED[name](exact), exact, dtype).detail


def test_a_near_constant_small_output_is_no_excuse_for_zeros() -> None:
    softmax = np.random.default_rng(1).random((8, 16384)) / 8192
    assert judge(np.zeros_like(softmax), softmax).detail
    assert judge(np.full_like(softmax, 1 / 16384), softmax).detail
    assert judge(softmax.astype(np.float16), softmax).detail
    assert judge(softmax, softmax).detail == ""


def test_the_worst_element_is_named(exact) -> None:
    wrong = judge(put(put(exact, (9, 2), 0.0), (200, 17), 1e6), exact)
    assert wrong.where == "y[200, 17]"
    assert wrong.detail == f"y[200, 17] is 1000000, expected {exact[200, 17]:.9g}; 2 of 257257 elements wrong, first in row 9"


def test_not_a_number_counts_as_far_off_in_every_measure(exact) -> None:
    wrong = judge(put(exact, (3, 3), np.nan), exact)
    assert wrong.where == "y[3, 3]" and min(wrong.worst, wrong.relative) >= 1e9


def test_lost_precision_without_a_wrong_element_is_said(exact) -> None:
    noise = np.random.default_rng(2).choice([-1.0, 1.0], size=exact.shape)
    wrong = judge(exact + 4e-6 * noise * rms_rows(exact)[:, None], exact, reduction="64")
    assert "precision was lost" in wrong.detail and "y: no element" in wrong.detail
    one_row = put(exact, 12, (exact + 4e-6 * noise * rms_rows(exact)[:, None])[12])
    assert "in row 12 " in judge(one_row, exact).detail


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ((256, slice(1000, None)), "y: row 256: last 1 element not written"),
        ((3, slice(998, None)), "y: row 3: last 3 elements not written"),
        ((3, slice(0, 2)), "y: row 3: first 2 elements not written"),
        ((3, [5, 9]), "y: row 3: 2 elements not written"),
        (slice(250, None), "y: row 250: not written; so in 6 more rows"),
        ((slice(255, None), slice(1000, None)), "y: row 255: last 1 element not written; so in 1 more row"),
        (slice(None), "y: nothing was written"),
    ],
)
@pytest.mark.parametrize("dtype", [DType.F32, DType.F64, DType.F16, DType.BF16, DType.I32, DType.U8])
def test_what_was_not_written_is_said(index, words: str, dtype: DType) -> None:
    exact = np.random.default_rng(0).integers(1, 9, size=(ROWS, COLS)).astype(np.float64 if dtype.is_float else np.int64)
    raw = np.frombuffer(bytearray(encode(exact, dtype)), np.uint8).reshape(ROWS, COLS, dtype.size)
    raw[index] = POISON
    task = matrix_task()
    limits = gate(task, CASE, dtype) if dtype.is_float else None
    expected = Expected(values=exact, spread=np.zeros(ROWS if dtype.is_float else 0))
    assert compare("y", raw.tobytes(), dtype, expected, limits).detail == words


def test_a_vector_has_no_rows() -> None:
    exact = np.arange(1.0, 101.0)
    raw = bytearray(encode(exact, DType.F32))
    raw[-8:] = bytes([POISON] * 8)
    assert judge(exact, exact, raw=bytes(raw)).detail == "y: last 2 elements not written"
    assert judge(put(exact, 3, 0.0), exact).detail == "y[3] is 0, expected 4; 1 of 100 elements wrong"


def test_planes_are_indexed_in_full() -> None:
    exact = np.ones((4, 5, 6))
    assert "y[2, 1, 3] is 9" in judge(put(exact, (2, 1, 3), 9.0), exact).detail
    assert "first in row (2, 1)" in judge(put(exact, (2, 1, 3), 9.0), exact).detail


@pytest.mark.parametrize("dtype", [DType.I64, DType.I32, DType.U64, DType.U8, DType.BOOL])
def test_integers_are_exact(dtype: DType) -> None:
    exact = np.random.default_rng(0).integers(0, 2, size=(20, 30)).astype(np.uint64 if dtype is DType.U64 else np.int64)
    expected = Expected(values=exact, spread=np.zeros(0))
    assert compare("y", encode(exact, dtype), dtype, expected, None).detail == ""
    wrong = compare("y", encode(put(exact, (4, 5), 1 - exact[4, 5]), dtype), dtype, expected, None)
    assert "y[4, 5] is" in wrong.detail and "1 of 600 elements wrong, first in row 4" in wrong.detail


def test_large_integers_do_not_pass_through_floats() -> None:
    exact = np.array([[2**62 + 1, 2**53 + 1]])
    expected = Expected(values=exact, spread=np.zeros(0))
    assert compare("y", encode(exact - 1, DType.I64), DType.I64, expected, None).detail


def test_a_short_or_long_output_is_wrong(exact) -> None:
    for raw in (b"", encode(exact, DType.F32)[:-4], encode(exact, DType.F32) + b"\0\0\0\0"):
        expected = Expected(values=exact, spread=np.zeros(ROWS))
        assert "bytes came back, not 1029028" in compare("y", raw, DType.F32, expected, gate(matrix_task(), CASE, DType.F32)).detail


def test_tolerances_by_hand_are_the_ones_used(exact) -> None:
    off = exact * (1 + 1e-3)
    assert judge(off, exact, rtol=1.1e-3).detail == ""
    assert judge(off, exact, rtol=0.9e-3).detail
    near = exact + 1e-3 * rms_rows(exact)[:, None]
    assert judge(near, exact, atol=1.1e-3).detail == ""
    assert judge(near, exact, atol=0.9e-3).detail
    assert judge(exact, exact.astype(np.float32).astype(np.float64), rtol=0.0).detail == ""
    assert judge(np.nextafter(exact.astype(np.float32), np.float32(9)), exact.astype(np.float32).astype(np.float64), rtol=0.0).detail
    assert judge(np.full_like(exact, np.nan), exact, rtol=1e30).detail


def test_long_rows_are_judged_whole() -> None:
    exact = np.random.default_rng(3).standard_normal(300_001)
    assert judge(exact, exact).detail == ""
    assert judge(put(exact, 300_000, 5.0), exact).where == "y[300000]"


def test_zeros_of_either_sign_and_flushed_denormals_pass() -> None:
    exact = np.array([[0.0, 1e-39, 1.0]])
    assert judge(np.array([[-0.0, 0.0, 1.0]]), exact).detail == ""
    assert judge(np.zeros((1, 3)), np.zeros((1, 3))).detail == ""
    assert judge(np.array([[1e-30, 0.0, 0.0]]), np.zeros((1, 3))).detail


# Where nothing may be lost


def judge_exactly(values: np.ndarray, exact: np.ndarray):
    expected = Expected(values=exact, spread=np.zeros(0))
    return compare("y", encode(values, DType.F32), DType.F32, expected, gate(matrix_task(), CASE, DType.F32))


def test_exact_floats_are_compared_as_integers_are() -> None:
    whole = np.random.default_rng(3).integers(-9, 10, size=(ROWS, COLS)).astype(np.float64)
    assert judge_exactly(whole, whole) == judge_exactly(np.where(whole == 0, -0.0, whole), whole)
    assert judge_exactly(whole, whole).detail == ""
    one_off = judge_exactly(put(whole, (256, 1000), whole[256, 1000] + 2.0**-18), whole)
    assert one_off.where == "y[256, 1000]" and "1 of 257257 elements wrong" in one_off.detail


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_is_a_wildcard(exact, value: float) -> None:
    """Not in a row of its own, not in an exact output, and not beside a huge gate."""
    assert judge_exactly(put(exact, (0, 0), value), exact).detail
    assert judge(put(exact, (0, 0), value), exact, rtol=1e30, atol=1e30).detail
    assert judge(put(exact, 9, value), exact).where.startswith("y[9, ")


@pytest.mark.parametrize("part", ["element", "row"])
def test_the_worst_decides_and_never_the_mean(part: str) -> None:
    """One wrong part among a hundred thousand right rows leaves every mean as it was."""
    exact = np.random.default_rng(4).standard_normal((100_000, 4)) + 0.3
    wrong = put(exact, (99_999, 3), exact[99_999, 3] + 1e-4) if part == "element" else put(exact, 99_999, exact[99_999] * (1 + 1e-5))
    found = judge(wrong, exact, reduction="1")
    assert np.abs(wrong - exact).mean() < 1e-9
    assert found.detail and found.worst > 1
