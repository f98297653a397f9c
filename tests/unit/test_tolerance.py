"""Gates against simulated arithmetic: honest float32 passes, lower precision does not."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy_lab import matrix_task

from kernelsearch.model import Arg, ArgKind, Case, Distribution, DType, Expression, Reference, Tolerance
from kernelsearch.verify import reference
from kernelsearch.verify.compare import Expected, compare
from kernelsearch.verify.integers import exact_integers
from kernelsearch.verify.tolerance import accumulation_roundoff, gate, unit_roundoff, widened
from kernelsearch.workload import encode, prepare

PRODUCT = "def product(a, b, m, n, k):\n    return a @ b\n"
TOTAL = "def total(a, k):\n    return a.sum(keepdims=True)\n"


def dims(*names: str) -> tuple[Expression, ...]:
    return tuple(Expression(name) for name in names)


def product_task(dtype: DType, k: int, distribution: Distribution):
    names = {"a": ("m", "k"), "b": ("k", "n"), "c": ("m", "n")}
    tensors = [Arg(name=n, kind=ArgKind.OUTPUT if n == "c" else ArgKind.INPUT, dtype=dtype, shape=dims(*s)) for n, s in names.items()]
    sizes = [Arg(name=n, kind=ArgKind.SIZE, dtype=DType.I32) for n in "mnk"]
    return matrix_task(
        args=(*tensors, *sizes),
        cases=(Case(name="c", sizes={"m": 24, "n": 20, "k": k}, timed=True),),
        distributions=(distribution,),
        tolerance=Tolerance(reduction=Expression("k")),
        reference=Reference(source=PRODUCT, function="product"),
    )


def total_task(k: int, distribution: Distribution):
    args = (
        Arg(name="a", kind=ArgKind.INPUT, dtype=DType.F32, shape=dims("k")),
        Arg(name="c", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=dims("1")),
        Arg(name="k", kind=ArgKind.SIZE, dtype=DType.I32),
    )
    return matrix_task(
        args=args,
        cases=(Case(name="c", sizes={"k": k}, timed=True),),
        distributions=(distribution,),
        tolerance=Tolerance(reduction=Expression("k")),
        reference=Reference(source=TOTAL, function="total"),
    )


def worst(task, tmp_path, compute, seed: int = 0) -> float:
    """The error over its gate of what `compute` makes of the task's inputs."""
    planned = prepare(task, tmp_path, f"seed {seed}").calls[0]
    dtype = task.arg("c").dtype
    values = np.asarray(compute(**planned.inputs()))
    return compare("c", encode(values, dtype), dtype, reference.compute(task, planned)["c"], gate(task, planned.case, dtype)).worst


def tf32(values):
    bits = values.astype("<f4").view("<u4")
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & np.uint32(0xFFFFE000)).view("<f4")


def wide(values):
    return values.astype(np.float64)


def sequential(a, b, dtype=np.float32):
    total = np.zeros((a.shape[0], b.shape[1]), dtype)
    for i in range(a.shape[1]):
        total = (total + (a[:, i : i + 1].astype(dtype) * b[i].astype(dtype))).astype(dtype)
    return total


HONEST = {
    "sequential": sequential,
    "library": lambda a, b: a.astype(np.float32) @ b.astype(np.float32),
    "backwards": lambda a, b: sequential(a[:, ::-1], b[::-1]),
    "two halves": lambda a, b: sequential(a[:, ::2], b[::2]) + sequential(a[:, 1::2], b[1::2]),
}
DISHONEST = {
    "tf32": lambda a, b: wide(tf32(a)) @ wide(tf32(b)),
    "half inputs": lambda a, b: wide(a.astype(np.float16)) @ wide(b.astype(np.float16)),
    "bfloat16 inputs": lambda a, b: wide(bf16(a)) @ wide(bf16(b)),
    "half of the sum": lambda a, b: sequential(a[:, : a.shape[1] // 2], b[: a.shape[1] // 2]),
    "last term missing": lambda a, b: sequential(a[:, :-1], b[:-1]),
}


def bf16(values):
    return (np.frombuffer(encode(values, DType.BF16), "<u2").astype("<u4") << 16).view("<f4").reshape(values.shape)


@pytest.mark.parametrize("distribution", list(Distribution))
@pytest.mark.parametrize("k", [1, 64, 1024])
@pytest.mark.parametrize("name", HONEST)
def test_honest_float32_products_pass_with_room(tmp_path, name: str, k: int, distribution: Distribution) -> None:
    assert worst(product_task(DType.F32, k, distribution), tmp_path, HONEST[name]) < 0.5


@pytest.mark.parametrize("distribution", [Distribution.NORMAL, Distribution.UNIFORM, Distribution.SPIKES])
@pytest.mark.parametrize("k", [16, 256, 4096])
@pytest.mark.parametrize("name", DISHONEST)
def test_lower_precision_fails_on_data_of_zero_mean(tmp_path, name: str, k: int, distribution: Distribution) -> None:
    assert worst(product_task(DType.F32, k, distribution), tmp_path, DISHONEST[name]) > 3


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
@pytest.mark.parametrize("k", [64, 1024])
def test_half_outputs_need_sums_in_float32(tmp_path, dtype: DType, k: int) -> None:
    task = product_task(dtype, k, Distribution.NORMAL)
    assert worst(task, tmp_path, sequential) < 0.8
    if dtype is DType.F16:
        assert worst(task, tmp_path, lambda a, b: sequential(a, b, np.float16)) > 1


@pytest.mark.parametrize("distribution", list(Distribution))
@pytest.mark.parametrize("k", [1, 1000, 100_000])
def test_a_sum_that_cancels_is_held_to_what_its_inputs_carry(tmp_path, k: int, distribution: Distribution) -> None:
    def running(a):
        return np.cumsum(a, dtype=np.float32)[-1:]

    assert max(worst(total_task(k, distribution), tmp_path, running, seed) for seed in range(20)) < 1


def test_half_inputs_show_in_a_short_sum(tmp_path) -> None:
    found = [
        worst(total_task(1009, Distribution.NORMAL), tmp_path, lambda a: wide(a.astype(np.float16)).sum(keepdims=True), s)
        for s in range(10)
    ]
    assert sum(value > 1 for value in found) >= 8


def test_gates_follow_from_type_and_length() -> None:
    assert (unit_roundoff(DType.F32), unit_roundoff(DType.BF16)) == (2.0**-24, 2.0**-8)
    assert (accumulation_roundoff(DType.F16), accumulation_roundoff(DType.F64)) == (2.0**-24, 2.0**-53)
    case = Case(name="c", sizes={"rows": 100, "cols": 1})
    task = matrix_task(tolerance=Tolerance(reduction=Expression("rows")))
    assert gate(task, case, DType.F32).norm == pytest.approx(4 * 2.0**-24 * 10)
    assert gate(task, case, DType.F16).norm == pytest.approx(4 * 2.0**-24 * 10 + 2.0**-11)
    assert gate(task, case, DType.F32, two_sided=True).norm == 2 * gate(task, case, DType.F32).norm
    by_hand = gate(matrix_task(tolerance=Tolerance(rtol=0.1)), case, DType.F32)
    assert (by_hand.rtol, by_hand.atol, by_hand.norm, by_hand.by_hand) == (0.1, 0.0, math.inf, True)


def attention(weights_in, seed: int):
    """Attention in bfloat16 with `weights_in` applied to the weights, as a candidate that has 128 keys of 64 dimensions computes it."""
    rng = np.random.default_rng(seed)
    q, k, v = (bf16(rng.standard_normal(shape)).astype(np.float64) for shape in ((48, 64), (128, 64), (128, 64)))
    weights = np.exp(q @ k.T / 8 - (q @ k.T / 8).max(axis=1, keepdims=True))
    return weights_in(weights) @ v / weights.sum(axis=1, keepdims=True)


def attention_error(weights_in, limits, seed: int) -> float:
    made, exact = attention(weights_in, seed), Expected(values=attention(lambda weights: weights, seed), spread=np.zeros(48))
    return compare("y", encode(made, DType.BF16), DType.BF16, exact, limits).worst


def test_terms_may_be_rounded_on_their_way_where_the_task_says_so() -> None:
    """Weights in bfloat16, as tensor cores take them, pass; an error of one per cent everywhere does not."""
    case = Case(name="c", sizes={"rows": 48, "cols": 64})
    strict, wide = (
        gate(matrix_task(tolerance=Tolerance(reduction=Expression("4 * 192"), through=through)), case, DType.BF16)
        for through in (None, DType.BF16)
    )
    assert all(attention_error(bf16, strict, seed) > 1 for seed in range(5))
    assert all(attention_error(bf16, wide, seed) < 0.7 for seed in range(5))
    assert all(attention_error(lambda weights: 1.01 * weights, wide, seed) > 1 for seed in range(5))


# A trusted run of the same precision

MEAN_OF_SQUARES = "def moment(a, k):\n    return ((a * a).mean(keepdims=True) - a.mean(keepdims=True) ** 2)\n"


def moment_task(offset: float):
    """A variance by the formula that cancels, of values around `offset`."""
    made = total_task(512, Distribution.NORMAL)
    source = f"{MEAN_OF_SQUARES}\ndef make(rng, sizes, distribution):\n    return {{'a': {offset} + rng.standard_normal(sizes['k'])}}\n"
    return replace(made, tolerance=Tolerance(), reference=Reference(source=source, function="moment", inputs="make"))


def poor_formula(a):
    return (a * a).mean(keepdims=True) - a.mean(keepdims=True) ** 2


def test_what_a_trusted_run_loses_a_candidate_may_lose() -> None:
    limits = gate(matrix_task(), Case(name="c", sizes={"rows": 1, "cols": 1}), DType.F32)
    sizes = np.array([1.0, 1.0, 1.0, 1.0])
    trusted = np.array([0.0, limits.norm, 100 * limits.norm, np.inf])
    assert widened(limits, sizes, trusted) == pytest.approx([1.0, 2.0, 8.0, 1.0])
    by_hand = gate(matrix_task(tolerance=Tolerance(rtol=0.1)), Case(name="c", sizes={"rows": 1, "cols": 1}), DType.F32)
    assert widened(by_hand, sizes, trusted) == pytest.approx(sizes)


def test_a_candidate_may_compute_as_the_reference_does(tmp_path, monkeypatch) -> None:
    task = moment_task(3.0)
    assert worst(task, tmp_path, poor_formula, seed=1) <= 0.5  # an error of e0, and 2 e0 are allowed
    assert worst(task, tmp_path, lambda a: wide(a.astype(np.float16)).var(keepdims=True), seed=1) > 10
    monkeypatch.setattr(reference, "_trusted", lambda *given: {})
    assert worst(task, tmp_path, poor_formula, seed=1) > 1


def test_a_poor_formula_does_not_open_the_gate_for_all(tmp_path) -> None:
    """Around 100 the formula loses most digits: half precision would pass beside it if there were no cap."""
    task = moment_task(100.0)
    assert worst(task, tmp_path, poor_formula) > 10
    assert worst(task, tmp_path, lambda a: wide(a.astype(np.float16)).var(keepdims=True)) > 1
    assert worst(task, tmp_path, lambda a: wide(a).var(keepdims=True)) < 1


def test_a_reference_that_insists_on_float64_has_no_trusted_run(tmp_path) -> None:
    source = "def total(a, k):\n    assert a.dtype == 'float64'\n    return a.sum(keepdims=True)\n"
    made = total_task(1000, Distribution.NORMAL)
    strict = replace(made, reference=Reference(source=source, function="total"))
    assert worst(strict, tmp_path, lambda a: np.cumsum(a, dtype=np.float32)[-1:]) < 1


# Integers through what is linear


def expected_of(task, tmp_path):
    planned = prepare(task, tmp_path, "seed 0").calls[0]
    return reference.compute(task, planned)["c"]


def off_by_an_ulp(a, b):
    product = sequential(a, b)
    product[3, 5] = np.nextafter(product[3, 5], np.float32(np.inf))
    return product


def test_a_product_of_integers_is_exact_to_the_last_bit(tmp_path) -> None:
    task = product_task(DType.F32, 300, Distribution.INTEGERS)
    assert expected_of(task, tmp_path).exact
    for compute in HONEST.values():
        assert worst(task, tmp_path, compute) == 0.0
    assert worst(task, tmp_path, off_by_an_ulp) > 1
    assert worst(product_task(DType.F32, 300, Distribution.NORMAL), tmp_path, off_by_an_ulp) < 1


@pytest.mark.parametrize(
    ("body", "exact"),
    [
        ("a @ b", True),
        ("0.5 * (a @ b) - 3.0 * b.sum() * (1 + a.sum(axis=1, keepdims=True))", True),
        ("(a @ b) / 3.0", False),
        ("(a @ b) * 1e6", False),  # partial sums beyond 2^24
        ("abs(a @ b)", False),
        ("a @ (b * b)", False),
        ("a @ b + 0.1", False),
        ("(a @ b) * 0 + a.sum(axis=1, keepdims=True)", False),  # b does not matter
        ("(a @ b) ** 0 * 1.0", False),
    ],
)
def test_linearity_is_found_out(tmp_path, body: str, exact: bool) -> None:
    reference_ = Reference(source=f"def product(a, b, m, n, k):\n    return {body}\n", function="product")
    assert expected_of(replace(product_task(DType.F32, 50, Distribution.INTEGERS), reference=reference_), tmp_path).exact is exact


@pytest.mark.parametrize("changes", [{"distributions": (Distribution.NORMAL,)}, {"tolerance": Tolerance(rtol=1e-3)}])
def test_bit_equality_is_for_integers_and_not_against_a_tolerance_by_hand(tmp_path, changes) -> None:
    assert not expected_of(replace(product_task(DType.F32, 50, Distribution.INTEGERS), **changes), tmp_path).exact


def test_a_half_output_must_hold_the_integers_too(tmp_path) -> None:
    """Sums of 64 products lie within 256, which bfloat16 holds; those of 20000 do not fit its eight bits."""
    assert expected_of(product_task(DType.F16, 64, Distribution.INTEGERS), tmp_path).exact
    assert not expected_of(product_task(DType.BF16, 20000, Distribution.INTEGERS), tmp_path).exact


def test_linear_in_each_input_of_the_right_kind() -> None:
    """Integer inputs are held; nothing can be said without a float input, or where no output lies on a grid."""
    x, index = np.array([1.0, -2.0, 2.0]), np.array([2, 0, 0])

    def gather(inputs):
        return {"y": inputs["x"][inputs["index"]]}

    assert exact_integers({"x": x, "index": index}, gather({"x": x, "index": index}), gather, 1.0) == {"y"}
    assert exact_integers({"index": index}, {"y": x}, lambda inputs: {"y": x}, 1.0) == frozenset()
    assert exact_integers({"x": x}, {"y": x / 3}, lambda inputs: {"y": inputs["x"] / 3}, 1.0) == frozenset()
    assert exact_integers({"x": x}, {"y": x}, lambda inputs: {"y": inputs["x"]}, 2.0**24) == frozenset()
