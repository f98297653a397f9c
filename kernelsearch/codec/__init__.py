"""Text to model objects and back, checked on the way in (pydantic's only door).

JSON is what we wrote ourselves; TOML is what people write: tasks, hardware, metric sets, thresholds and rewards; the playbook has a module
of its own beside. Every fault in TOML is a `UsageError` of the form `FILE: path: problem`, and an unknown key is a fault.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

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
    Hardware,
    MetricSet,
    Policy,
    Reference,
    RewardProfile,
    Task,
    Thresholds,
    Tolerance,
    Yardstick,
)
from kernelsearch.model.reward import ladder

T = TypeVar("T")
_SHOWN = 5  # errors named in one message: the rest often follow from them


@lru_cache(maxsize=64)
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump_json(value: object) -> str:
    """One line of JSON for a model object."""
    kind: Any = type(value)
    return _adapter(kind).dump_json(value).decode()


def load_json(kind: type[T], text: str | bytes) -> T:
    """The model object that `dump_json` wrote. Raises `UsageError` with the path of what does not fit."""
    hashable: Any = kind
    try:
        value: T = _adapter(hashable).validate_json(text)
    except ValidationError as error:
        raise UsageError(_problems(error)) from error
    return value


def load_table(kind: type[T], table: Mapping[str, object]) -> T:
    """An object of a dataclass from a table of its fields. Raises `UsageError` as `load_json` does."""
    hashable: Any = kind
    try:
        value: T = _adapter(hashable).validate_python(dict(table))
    except ValidationError as error:
        raise UsageError(_problems(error)) from error
    return value


def schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON schema of a dataclass as `dump_json` writes it; fields are described by the strings below them where it asks for that."""
    hashable: Any = kind
    return _adapter(hashable).json_schema(mode="serialization")


def hardware_from_toml(text: str, *, where: str) -> Hardware:
    """A hardware profile: its keys are the fields of `Hardware`."""
    return _fields_from_toml(Hardware, text, where)


def thresholds_from_toml(text: str, *, where: str) -> Thresholds:
    """The thresholds of the diagnosis: its keys are the fields of `Thresholds`, and none may be missing."""
    return _fields_from_toml(Thresholds, text, where)


def _fields_from_toml(kind: type[T], text: str, where: str) -> T:
    table, hashable = _table(text, where), cast(Any, kind)
    known = [field.name for field in dataclasses.fields(hashable)]
    if unknown := sorted(table.keys() - set(known)):
        raise UsageError(f"{where}: {unknown[0]}: unknown key; known are {', '.join(known)}")
    value: T = _validated(_adapter(hashable).validate_python, table, where)
    return value


def metric_set_from_toml(text: str, name: str, *, where: str) -> MetricSet:
    """A metric set: `description`, and `[metrics]` from counter name to what it tells."""
    return MetricSet(name=name, metrics=_validated(_MetricFile.model_validate, _table(text, where), where).metrics)


def reward_profile_from_toml(text: str, name: str, *, where: str) -> RewardProfile:
    """A reward profile: `description`, `[weights]` by term and `[gates]` by verdict; without gates a ladder below the weights' worst.

    Raises `UsageError` also for terms that do not exist and for gates that are no ladder.
    """
    file = _validated(_RewardFile.model_validate, _table(text, where), where)
    profile = RewardProfile(name=name, weights=file.weights, gates=file.gates or ladder(file.weights), description=file.description)
    if fault := profile.fault():
        raise UsageError(f"{where}: {fault}")
    return profile


def description_from_toml(text: str, *, where: str) -> str:
    """The description in a `suite.toml`."""
    return _validated(_SuiteFile.model_validate, _table(text, where), where).description


def task_from_toml(text: str, *, where: str, read: Callable[[str], str]) -> Task:
    """The task that a task file describes. `read` gives the text of a file it names; paths are relative to the task file.

    Raises `UsageError`: `where: path: problem`.
    """
    file = _validated(_TaskFile.model_validate, _table(text, where), where)
    at = _At(where)
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


class _At:
    """Runs a constructor and puts file and path before its `UsageError`, once."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __call__(self, path: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except UsageError as error:
            if str(error).startswith(f"{self.where}: "):
                raise
            raise UsageError(f"{self.where}: {path}{': ' if path else ''}{error}") from error


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Formula = str | int


class _ArgTable(_Table):
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


class _CaseTable(_Table):
    name: str | None = None
    sizes: dict[str, int]
    timed: bool = False
    scalars: dict[str, int | float] = Field(default_factory=dict)


class _InputsTable(_Table):
    distributions: tuple[Distribution, ...] = (Distribution.NORMAL, Distribution.INTEGERS)
    python: str | None = None


class _ReferenceTable(_Table):
    python: str


class _YardstickTable(_Table):
    python: str
    library: str = "torch"


class _ToleranceTable(_Table):
    reduction: Formula = 1
    rtol: float | None = Field(default=None, ge=0)
    atol: float | None = Field(default=None, ge=0)
    through: DType | None = None

    def build(self) -> Tolerance:
        return Tolerance(reduction=Expression(str(self.reduction)), rtol=self.rtol, atol=self.atol, through=self.through)


class _CostTable(_Table):
    bytes: Formula | None = None
    flops: Formula | None = None

    def build(self) -> Cost:
        return Cost(bytes=_formula(self.bytes), flops=_formula(self.flops))


class _PolicyTable(_Table):
    libraries: tuple[str, ...] = ()
    fast_math: bool = False


class _TaskFile(_Table):
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


class _MetricFile(_Table):
    description: str = ""
    metrics: dict[str, str] = Field(min_length=1)


class _RewardFile(_Table):
    description: str = ""
    weights: dict[str, float] = Field(min_length=1)
    gates: dict[str, float] = Field(default_factory=dict)


class _SuiteFile(_Table):
    description: str


def _formula(text: Formula | None) -> Expression | None:
    return None if text is None else Expression(str(text))


def _cases(tables: tuple[_CaseTable, ...], at: _At) -> tuple[Case, ...]:
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


def _reference(file: _TaskFile, at: _At, read: Callable[[str], str]) -> Reference | None:
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


def _yardstick(file: _TaskFile, at: _At, read: Callable[[str], str]) -> Yardstick | None:
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


def _table(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of a number with thousands of digits, and of nesting without end
        raise UsageError(f"{where}: not valid TOML: {error}") from error


def _validated(validate: Callable[[dict[str, Any]], T], table: dict[str, Any], where: str) -> T:
    try:
        return validate(table)
    except ValidationError as error:
        raise UsageError(f"{where}: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    """`args[2].shape: problem; …`: places as a person would index them."""
    words = []
    for item in error.errors()[:_SHOWN]:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in item["loc"]).lstrip(".")
        problem = "unknown key" if item["type"] == "extra_forbidden" else item["msg"][:1].lower() + item["msg"][1:]
        words.append(f"{place or 'value'}: {problem}")
    return "; ".join(words)
