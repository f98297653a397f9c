"""Tasks written to be bad, each refused for its own reason; good ones admitted, and each solver doing what its name says."""

from pathlib import Path

import numpy as np
import pytest
from numpy_lab import FakeToolchain, NumpyDevice, lab, matrix_task

from kernelsearch.admission import Admission, admit, rounding
from kernelsearch.admission.setting import prepared
from kernelsearch.admission.solvers import FLOAT32, SOLVERS, Kind
from kernelsearch.model import Arg, ArgKind, Build, Case, Distribution, DType, Expression, Reference, Tolerance, Verdict
from kernelsearch.workload import prepare

SOFTMAX = "    e = np.exp(x - x.max(axis=1, keepdims=True))\n    p = e / e.sum(axis=1, keepdims=True)\n"


def task(body: str, *, weight: tuple[str, ...] = (), out: tuple[str, ...] = ("rows", "cols"), inputs: str | None = None, **changes):
    """A task y = f(x), or f(x, w) with a `weight` of that shape; `body` are the lines of the reference."""
    made = matrix_task(out=out, **changes)
    names = "x, w, rows, cols" if weight else "x, rows, cols"
    source = f"import numpy as np\ndef f({names}):\n{body}"
    if inputs:
        source += f"\ndef make(rng, sizes, distribution):\n    {inputs}\n"
    args = list(made.args)
    if weight:
        shape = tuple(Expression(extent) for extent in weight)
        args.insert(1, Arg(name="w", kind=ArgKind.INPUT, dtype=made.args[0].dtype, shape=shape))
    reference = Reference(source=source, function="f", inputs="make" if inputs else None)
    return matrix_task(**{**changes, "args": tuple(args), "reference": reference})


def told(admission: Admission) -> str:
    """Name and fault of the first line that is not as it should be."""
    return f"{admission.faults[0].solver}: {admission.faults[0].what}"


GOOD = {
    "scaled": task("    return 2.0 * x"),
    "softmax": task(SOFTMAX + "    return p", tolerance=Tolerance(reduction=Expression("cols"))),
    "product": task(
        "    return x @ w",
        weight=("cols", "cols"),
        tolerance=Tolerance(reduction=Expression("cols")),
        distributions=(Distribution.NORMAL, Distribution.INTEGERS),
    ),
    "half": task("    return 2.0 * x", dtype=DType.F16),
    "bfloat16": task("    return x * abs(x)", dtype=DType.BF16),
    "double": task("    return 2.0 * x", dtype=DType.F64),
    "integers": task("    return 2 * x", dtype=DType.I32),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_task_is_admitted(tmp_path: Path, name: str) -> None:
    found = admit(GOOD[name], tmp_path, full=True)
    assert found.admitted, found.faults
    assert found.calls == 4 + 3  # small cases on both distributions, and what is verified of the timed one
    assert {solver.name for solver in SOLVERS} < {line.solver for line in found.lines}


BAD = {
    "constant": (task("    return np.full_like(x, 3.0)"), "output varies: y is one number in all its elements"),
    "zero": (task("    return 0.0 * x"), "output is not zero: y is zero in every element"),
    "mean of a softmax": (
        task(SOFTMAX + "    return np.broadcast_to(p.mean(axis=1, keepdims=True), x.shape)", out=("rows", "cols")),
        "output varies: y is one number",
    ),
    "product, maximum, subtracted": (
        task(
            "    m = (x @ w).max(axis=1, keepdims=True)\n    return m - m.mean(axis=1, keepdims=True)",
            weight=("cols", "cols"),
            out=("rows", "1"),
        ),
        "output is not zero: y is zero in every element",
    ),
    "zero cancelled": (
        task("    m = (x @ w).sum(axis=1)\n    return m - x @ w.sum(axis=1)", weight=("cols", "cols"), out=("rows",)),
        "output is not zero",
    ),
    "zero gain": (
        task("    return x + w * np.tanh(x)", weight=("cols",), inputs="return {'w': np.zeros(sizes['cols'])}"),
        "inputs vary: w is 0 in every element of every draw",
    ),
    "contents ignored": (
        task("    return np.arange(x.size, dtype=float).reshape(x.shape)"),
        "output varies with contents: y is the same for other contents",
    ),
    "input not used": (
        task("    return 2.0 * x", weight=("cols",)),
        "every input matters: other contents in the w change no output at all",
    ),
    "last third not used": (
        task("    y = x.reshape(-1)\n    y = np.tile(y[: -(-2 * y.size // 3)], 2)[: y.size]\n    return y.reshape(x.shape)"),
        "every input matters: other contents in the last third of x change no output at all",
    ),
    "drowned input": (
        task("    return x + 1e-9 * w", weight=("rows", "cols")),
        "every input matters: other contents in the w change no output by more than 0.00",
    ),
    "not finite": (
        task("    return x / 0.0"),
        "reference: user/matrix/reference.py: f, case row, normal inputs: y has values that are not finite",
    ),
    "wrong shape": (task("    return x[0]"), "reference: user/matrix/reference.py: f, case row: y has shape (5,), not (1, 5)"),
    "random": (
        task("    return x + np.random.default_rng().random(x.shape)"),
        "reference is a function: the reference is not deterministic",
    ),
    "in place": (task("    x *= 2.0\n    return x.copy()"), "reference is a function: the reference modifies its input x"),
    "no reference": (matrix_task(reference=None), "reference: there is none"),
    "a loose tolerance": (
        task("    return 2.0 * x", tolerance=Tolerance(rtol=1e-2, atol=1e-2)),
        "x 1.01: passes on all normal inputs (y): its error is at most 0.7",
    ),
    "a tolerance of half precision": (
        task("    return 2.0 * x", tolerance=Tolerance(rtol=1e-3, atol=1e-3)),
        "TF32 inputs: passes every call: its error is at most",
    ),
    "an absurd tolerance": (
        task(SOFTMAX + "    return p", tolerance=Tolerance(rtol=1.0, atol=1e-2)),
        "zeros: passes on all normal inputs (y)",
    ),
    "overflow in float32": (
        task("    e = np.exp(x)\n    return e / e.sum(axis=1, keepdims=True)"),
        f"{FLOAT32}: refused on 2 of 4 calls: y",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_task_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    bad, reason = BAD[name]
    found = admit(bad, tmp_path)
    assert not found.admitted
    assert told(found).startswith(reason), [f"{line.solver}: {line.what}" for line in found.faults]


def test_an_unsound_task_is_told_once(tmp_path: Path) -> None:
    """Every solver is right where the answer is constant; that would bury the reason."""
    found = admit(BAD["zero"][0], tmp_path)
    assert len(found.lines) == 5


def test_what_cannot_be_told_apart_is_named(tmp_path: Path) -> None:
    """A half output of positive float32 inputs: TF32 rounds no worse than the output does."""
    mixed = task("    return x @ w", weight=("cols", "cols"), tolerance=Tolerance(reduction=Expression("cols")))
    args = tuple(Arg(name=a.name, kind=a.kind, dtype=DType.F16, shape=a.shape) if a.name == "y" else a for a in mixed.args)
    positive = {"distributions": (Distribution.POSITIVE,), "tolerance": mixed.tolerance}
    found = admit(matrix_task(args=args, reference=mixed.reference, **positive), tmp_path)
    lines = {line.solver: line for line in found.lines}
    assert found.admitted and lines["TF32 inputs"].what.startswith("not separable: no worse than")
    assert lines["output in half precision"].what.startswith("wrong on 2 of 2 calls")


def test_what_was_not_tried_says_why(tmp_path: Path) -> None:
    lines = {line.solver: line.what for line in admit(GOOD["integers"], tmp_path).lines}
    assert lines["TF32 inputs"] == "not tried: no float input to round"
    assert lines["NaN planted"] == "not tried: an integer holds no such value"
    assert lines["transposed"] == "not tried: not square"
    halves = {line.solver: line.what for line in admit(GOOD["half"], tmp_path).lines}
    assert halves["fp16 inputs"] == "not tried: the inputs hold no more than that"


def test_inputs_that_belong_together_are_no_fault(tmp_path: Path) -> None:
    """Indices that a reference refuses when a part of them is replaced."""
    body = "    if sorted(w) != list(range(cols)):\n        raise ValueError('not a permutation')\n    return x[:, w]"
    bound = task(body, weight=("cols",), inputs="return {'w': rng.permutation(sizes['cols'])}")
    args = tuple(Arg(name="w", kind=ArgKind.INPUT, dtype=DType.I32, shape=a.shape) if a.name == "w" else a for a in bound.args)
    found = admit(matrix_task(args=args, reference=bound.reference), tmp_path)
    assert found.admitted, found.faults


def test_the_timed_size_counts_when_asked_for(tmp_path: Path) -> None:
    """A tolerance that is right for the small cases and far too loose for the large one."""
    loose = task("    return 2.0 * x", tolerance=Tolerance(reduction=Expression("1 + (rows // 64) * 10 ** 7")))
    assert admit(loose, tmp_path).admitted
    found = admit(loose, tmp_path, full=True)
    assert "passes every call at the timed size" in told(found) and found.faults[0].case == "big"


@pytest.mark.parametrize(
    ("device", "toolchain", "said"),
    [
        (NumpyDevice(lambda x, **sizes: {"y": 2 * x}), FakeToolchain(), ""),
        (
            NumpyDevice(lambda x, **sizes: {"y": 2.01 * x}),
            FakeToolchain(),
            "baseline: disagrees with the reference, or does not run: wrong",
        ),
        (NumpyDevice(None, failure=Verdict.CRASHED), FakeToolchain(), "baseline: disagrees with the reference, or does not run: crashed"),
        (
            NumpyDevice(None),
            FakeToolchain(Build(ok=False, toolchain="t", failure=Verdict.BUILD_FAILED, log="k.cu:3")),
            "baseline: build failed: k.cu:3",
        ),
    ],
)
def test_the_baseline_has_to_pass(tmp_path: Path, device, toolchain, said: str) -> None:
    found = admit(GOOD["scaled"], tmp_path, lab=lab(tmp_path, device, toolchain))
    assert found.admitted == (not said)
    assert found.lines[-1].solver == "baseline"
    assert not said or told(found).startswith(said)


# Solvers


@pytest.fixture
def setting(tmp_path: Path):
    rows = matrix_task(
        cases=(Case(name="c", sizes={"rows": 8, "cols": 8}, timed=True),),
        distributions=(Distribution.NORMAL,),
        source="def scale(x, rows, cols):\n    return 1.0 * x\n",
    )
    ours, other = (prepare(rows, tmp_path, secret).calls[0] for secret in "ab")
    return prepared(rows, ours, other)


def made(setting, name: str) -> list[np.ndarray]:
    """The answers of the solver called `name`, as matrices."""
    (solver,) = [solver for solver in SOLVERS if solver.name == name]
    return [np.frombuffer(a["y"], "<f4").reshape(8, 8) for _, a in solver.variants(setting) if not isinstance(a, str)]


def test_solvers_do_what_they_are_called(setting) -> None:
    x = setting.inputs["x"]
    exact = {
        "zeros": np.zeros_like(x),
        "ones": np.ones_like(x),
        "transposed": x.T,
        "rows permuted": np.roll(x, 1, axis=0),
        "sign flipped": -x,
        "first half only": np.concatenate([x[:4], np.zeros_like(x[4:])]),
        "stale: answer to other contents": setting.other_inputs["x"],
        "input passed through": x,
        "exact, rounded once": x,
    }
    for name, right in exact.items():
        (got,) = made(setting, name)
        np.testing.assert_array_equal(got, right, name)
    (left,) = made(setting, "last row not written")
    assert np.isnan(left[-1]).all() and np.array_equal(left[:-1], x[:-1])
    (wrong,) = made(setting, "one element wrong")
    assert (wrong != x).sum() == 1
    by_rows, by_columns = made(setting, "half of an input not read")
    assert not by_rows[4:].any() and not by_columns[:, 4:].any() and np.array_equal(by_rows[:4], x[:4])
    assert np.array_equal(made(setting, "half read twice")[0][4:], x[:4])
    whole, first, middle, last = made(setting, "every input matters")
    assert [int((m != x).sum()) for m in (whole, first, middle, last)] == [64, 22, 22, 20]


def test_every_solver_but_the_honest_is_refused_here(setting) -> None:
    for solver in SOLVERS:
        for variant, answer in solver.variants(setting):
            if not isinstance(answer, str) and solver.name != "input passed through":
                assert bool(setting.judge(answer).detail) == (solver.kind is not Kind.HONEST), (solver.name, variant)


def test_rounding_keeps_so_many_bits() -> None:
    x = np.random.default_rng(3).standard_normal(10_000).astype(np.float32)
    errors = {name: np.abs(rounded(x) / x - 1).max() for name, rounded in rounding.INPUTS.items()}
    assert 2.0**-11.1 < errors["TF32 inputs"] <= 2.0**-11 and 2.0**-8.1 < errors["bf16 inputs"] <= 2.0**-8
    assert np.array_equal(rounding.tf32(np.float32([1 + 2.0**-11, 1 + 3 * 2.0**-11])), np.float32([1, 1 + 2.0**-9]))
