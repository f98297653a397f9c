"""A task that cannot mean anything cannot be built; its digest covers what is judged and nothing else."""

import dataclasses

import pytest
from numpy_lab import matrix_task

from kernelsearch import digest
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, ArgKind, Case, DType, Expression, Form, Task, Tolerance

N = (Expression("rows"),)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": "no name", "kind": ArgKind.INPUT, "shape": N}, "not an identifier"),
        ({"name": "x", "kind": ArgKind.INPUT}, "needs a shape"),
        ({"name": "n", "kind": ArgKind.SIZE, "shape": N}, "cannot have a shape"),
        ({"name": "n", "kind": ArgKind.SIZE}, "must be an integer type"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(fields, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Arg(dtype=DType.F32, **fields)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"form": Form.KERNELS}, "`entry` belongs to the launcher form"),
        ({"entry": None}, "`entry` belongs to the launcher form"),
        ({"distributions": ()}, "at least one distribution"),
        ({"cases": (Case(name="a", sizes={"rows": 1, "cols": 1}),)}, "no case is timed"),
        ({"cases": (Case(name="a", sizes={"rows": 1, "cols": 1}, timed=True),) * 2}, "case named twice: a"),
        ({"cases": (Case(name="a", sizes={"rows": 1}, timed=True),)}, "unknown name 'cols'"),
        ({"out": ("rows - 1",), "cases": (Case(name="a", sizes={"rows": 1, "cols": 1}, timed=True),)}, "extent rows - 1 of 'y' is below 1"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(changes, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        matrix_task(**changes)


def test_a_task_needs_an_output_and_distinct_names() -> None:
    task = matrix_task()
    with pytest.raises(UsageError, match="no argument is an output"):
        dataclasses.replace(task, args=(task.args[0], *task.args[2:]))
    with pytest.raises(UsageError, match="argument named twice: x"):
        dataclasses.replace(task, args=(*task.args, task.args[0]))


def test_scalars_of_a_case_override_the_default() -> None:
    scalar = Arg(name="alpha", kind=ArgKind.SCALAR, dtype=DType.F32, value=0.5)
    cases = (Case(name="a", sizes={"rows": 1, "cols": 1}, timed=True), Case(name="b", sizes={"rows": 1, "cols": 1}, scalars={"alpha": 2}))
    task = matrix_task()
    task = dataclasses.replace(task, args=(*task.args, scalar), cases=cases)
    assert [task.values(case)["alpha"] for case in task.cases] == [0.5, 2]
    with pytest.raises(UsageError, match="scalar 'alpha' has no value"):
        dataclasses.replace(task, args=(*task.args[:-1], dataclasses.replace(scalar, value=None)))


def test_the_digest_covers_what_is_judged() -> None:
    task = matrix_task()
    same = dataclasses.replace(task, notes="other", assumptions=("rows = 4096",))
    assert digest.task(task) == digest.task(same) == digest.task(matrix_task())
    changes = [
        {"baseline": "// other"},
        {"flags": ("-O2",)},
        {"tolerance": Tolerance(rtol=1e-3)},
        {"tolerance": Tolerance(through=DType.BF16)},
        {"cases": task.cases[:2]},
        {"distributions": task.distributions[:1]},
        {"reference": None},
        {"args": (dataclasses.replace(task.args[0], dtype=DType.F64), *task.args[1:])},
    ]
    digests = {digest.task(dataclasses.replace(task, **change)) for change in changes}
    assert len(digests) == len(changes) and digest.task(task) not in digests


def test_a_field_that_came_later_leaves_older_digests_alone() -> None:
    """What this task was called before `Tolerance.through`; run folders hold such names."""
    task = Task(
        name="t",
        form=Form.LAUNCHER,
        entry="solve",
        args=(Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.BF16, shape=(Expression("n"),)),),
        cases=(Case(name="c", sizes={"n": 4}, timed=True),),
        baseline="k",
    )
    assert digest.task(task) == "c9b41cba3d3f3dd8a620e51ce4e0eeae"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [({"through": DType.I32}, "through is i32, which is no float type"), ({"through": DType.BF16, "rtol": 0.1}, "leave it out where rtol")],
)
def test_what_terms_may_be_rounded_to_must_make_sense(given: dict, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Tolerance(**given)


@pytest.mark.parametrize(("dtype", "size", "bits"), [(DType.F64, 8, 52), (DType.F32, 4, 23), (DType.F16, 2, 10), (DType.BF16, 2, 7)])
def test_float_types_know_their_layout(dtype: DType, size: int, bits: int) -> None:
    assert (dtype.size, dtype.mantissa_bits, dtype.is_float) == (size, bits, True)


def test_integer_types_know_their_size() -> None:
    assert [t.size for t in (DType.I64, DType.U32, DType.I16, DType.U8, DType.BOOL)] == [8, 4, 2, 1, 1]
