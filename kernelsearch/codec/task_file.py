"""The task file: its tables, and the `Task` that they describe."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic import Field

from kernelsearch.codec.strict import At, Table, parsed, validated
from kernelsearch.errors import UsageError
from kernelsearch.model import (
    Arg,
    ArgKind,
    Case,
    Cost,
    Distribution,
    DType,
    Expression,
    Form,
    Policy,
    Reference,
    Task,
    Tolerance,
    Yardstick,
)

Formula = str | int


class _ArgTable(Table):
    name: str
    kind: ArgKind
    dtype: DType
    shape: tuple[Formula, ...] = ()
    value: int | float | None = None
    low: Formula | None = None
    high: Formula | None = None

    def build(self) -> Arg:
        return Arg(
            name=self.name,
            kind=self.kind,
            dtype=self.dtype,
            shape=tuple(Expression(str(extent)) for extent in self.shape),
            value=self.value,
            low=_formula(self.low),
            high=_formula(self.high),
        )


class _CaseTable(Table):
    name: str | None = None
    sizes: dict[str, int]
    timed: bool = False
    scalars: dict[str, int | float] = Field(default_factory=dict)


class _InputsTable(Table):
    distributions: tuple[Distribution, ...] = (Distribution.NORMAL, Distribution.INTEGERS)
    python: str | None = None


class _ReferenceTable(Table):
    python: str


class _YardstickTable(Table):
    python: str
    library: str = "torch"


class _ToleranceTable(Table):
    reduction: Formula = 1
    rtol: float | None = Field(default=None, ge=0)
    atol: float | None = Field(default=None, ge=0)
    through: DType | None = None

    def build(self) -> Tolerance:
        return Tolerance(reduction=Expression(str(self.reduction)), rtol=self.rtol, atol=self.atol, through=self.through)


class _CostTable(Table):
    bytes: Formula | None = None
    flops: Formula | None = None

    def build(self) -> Cost:
        return Cost(bytes=_formula(self.bytes), flops=_formula(self.flops))


class _PolicyTable(Table):
    libraries: tuple[str, ...] = ()
    fast_math: bool = False


class _TaskFile(Table):
    name: str
    source: str
    form: Form = Form.LAUNCHER
    entry: str | None = None
    flags: tuple[str, ...] = ("-O3",)
    notes: str = ""
    assumptions: tuple[str, ...] = ()
    args: tuple[_ArgTable, ...]
    cases: tuple[_CaseTable, ...]
    inputs: _InputsTable = _InputsTable()
    reference: _ReferenceTable | None = None
    tolerance: _ToleranceTable = _ToleranceTable()
    cost: _CostTable = _CostTable()
    policy: _PolicyTable = _PolicyTable()
    yardstick: _YardstickTable | None = None


def task_from_toml(text: str, *, where: str, read: Callable[[str], str]) -> Task:
    """The task that a task file describes. `read` gives the text of a file it names; paths are relative to the task file.

    Raises `UsageError`: `where: path: problem`.
    """
    file = validated(_TaskFile.model_validate, parsed(text, where), where)
    at = At(where)
    args = tuple(at(f"args[{i}]", arg.build) for i, arg in enumerate(file.args))
    cases = _cases(file.cases, at)
    tolerance, cost = at("tolerance", file.tolerance.build), at("cost", file.cost.build)
    _check_names(args, cases, {"tolerance.reduction": tolerance.reduction, "cost.bytes": cost.bytes, "cost.flops": cost.flops}, where)
    return at(
        "",
        lambda: Task(
            name=file.name,
            form=file.form,
            entry=(file.entry or "solve") if file.form is Form.LAUNCHER else file.entry,
            args=args,
            cases=cases,
            distributions=file.inputs.distributions,
            tolerance=tolerance,
            cost=cost,
            baseline=at("source", lambda: read(file.source)),
            flags=file.flags,
            reference=_reference(file, at, read),
            policy=Policy(libraries=file.policy.libraries, fast_math=file.policy.fast_math),
            notes=file.notes,
            assumptions=file.assumptions,
            yardstick=_yardstick(file, at, read),
        ),
    )


def _formula(text: Formula | None) -> Expression | None:
    return None if text is None else Expression(str(text))


def _cases(tables: tuple[_CaseTable, ...], at: At) -> tuple[Case, ...]:
    """A case without a name is called after its sizes, "257x1001", or after its place where that is not unique."""
    by_size = ["x".join(str(value) for value in table.sizes.values()) for table in tables]
    names = [
        table.name or (size if by_size.count(size) == 1 else f"c{i}") for i, (table, size) in enumerate(zip(tables, by_size, strict=True))
    ]
    builders = [partial(Case, name=n, sizes=t.sizes, timed=t.timed, scalars=t.scalars) for n, t in zip(names, tables, strict=True)]
    return tuple(at(f"cases[{i}]", build) for i, build in enumerate(builders))


def _check_names(args: tuple[Arg, ...], cases: tuple[Case, ...], formulas: dict[str, Expression | None], where: str) -> None:
    """Every size has a value in every case, and every formula reads only names that have one."""
    for i, arg in enumerate(args):
        formulas |= {f"args[{i}].shape[{j}]": extent for j, extent in enumerate(arg.shape)}
        formulas |= {f"args[{i}].low": arg.low, f"args[{i}].high": arg.high}
    for i, case in enumerate(cases):
        if missing := [arg.name for arg in args if arg.kind is ArgKind.SIZE and arg.name not in case.sizes]:
            raise UsageError(f"{where}: cases[{i}].sizes: no value for {missing[0]!r}")
        known = case.names.keys() | {arg.name for arg in args if arg.kind is ArgKind.SCALAR}
        for place, formula in formulas.items():
            if formula is not None and (unknown := sorted(formula.names - known)):
                raise UsageError(f"{where}: {place}: unknown name {unknown[0]!r} in {formula.text!r}; known: {', '.join(sorted(known))}")


def _reference(file: _TaskFile, at: At, read: Callable[[str], str]) -> Reference | None:
    if file.reference is None:
        if file.inputs.python is not None:
            raise UsageError(f"{at.where}: inputs.python: needs a [reference] in the same Python file")
        return None
    path, function = at("reference.python", lambda: _python_name(file.reference.python if file.reference else ""))
    inputs = None
    if file.inputs.python is not None:
        other, inputs = at("inputs.python", lambda: _python_name(file.inputs.python or ""))
        if other != path:
            raise UsageError(f"{at.where}: inputs.python: must be in {path}, where the reference is, not in {other}")
    return Reference(source=at("reference.python", lambda: read(path)), function=function, inputs=inputs)


def _yardstick(file: _TaskFile, at: At, read: Callable[[str], str]) -> Yardstick | None:
    if (table := file.yardstick) is None:
        return None
    path, function = at("yardstick.python", lambda: _python_name(table.python))
    source = at("yardstick.python", lambda: read(path))
    return at("yardstick", lambda: Yardstick(library=table.library, source=source, function=function))


def _python_name(text: str) -> tuple[str, str]:
    path, colon, function = text.rpartition(":")
    if not colon or not path or not function.isidentifier():
        raise UsageError(f"{text!r} is not of the form file.py:function")
    return path, function
