"""A task from a program: what the trusted process says of a format's Python, as arguments, cases and shapes.

With a launcher all cases are judged, and extents are formulas over sizes that the launcher is given; a format that fixes the signature gets
no others. Without one, candidates are modules with a ModelNew, whose call has one shape: that of the largest timed case.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch import catalog, oracle
from kernelsearch.errors import UsageError
from kernelsearch.formats.shapes import formula
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
    TorchCall,
)

ENTRY, LAUNCHER = "ModelNew", "solve"
_CASE, _SUMS = "case", "sums"  # sizes of ours: which case it is, and the length of its longest sum
_KINDS = {"input": ArgKind.INPUT, "output": ArgKind.OUTPUT, "inout": ArgKind.INOUT}
_C_TYPES = {
    "c_int": DType.I32,
    "c_uint": DType.U32,
    "c_size_t": DType.U64,
    "c_ulong": DType.U64,
    "c_long": DType.I64,
    "c_longlong": DType.I64,
    "c_float": DType.F32,
    "c_double": DType.F64,
    "c_short": DType.I16,
    "c_bool": DType.BOOL,
    "c_byte": DType.I8,
    "c_ubyte": DType.U8,
}
_INT32 = range(-(1 << 31), 1 << 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A program and what only its format knows. `module` writes the ModelNew that a search over modules begins with.

    `sizes`: by case, numbers that a launcher is given beside the tensors.
    """

    name: str
    suite: str
    where: str
    program: Mapping[str, Any]
    module: Callable[[Mapping[str, Any], Mapping[str, Any]], str]  # of the description, and of the case that was chosen
    sizes: Sequence[Mapping[str, int]] = ()
    notes: str = ""


def as_task(spec: Spec, launcher: Path | None) -> Task:
    """The task of a program. Raises `UsageError` where it cannot be judged, `ToolMissing` without torch."""
    source = json.dumps(dict(spec.program))
    found = oracle.described(source, where=spec.where)
    source = json.dumps({**spec.program, "structure": found["structure"]})  # what a result is written with later
    reference = Reference(source=source, function="reference", inputs="inputs", program=True)
    try:
        return _module(spec, found, reference) if launcher is None else _launched(spec, found, reference, launcher)
    except UsageError as error:
        raise UsageError(f"{spec.where}: {error}") from error


def _launched(spec: Spec, found: Mapping[str, Any], reference: Reference, launcher: Path) -> Task:
    cases = found["cases"]
    numbers = _numbers(spec, cases)
    counts = {name: [int(row[name]) for row in numbers] for name in numbers[0] if all(_count(row[name]) for row in numbers)}
    args, hidden = _tensors(cases, counts)
    signature = found["structure"].get("signature", {})  # the launcher's arguments in order, where the format fixes them
    scalars = [_scalar(name, [row[name] for row in numbers], _C_TYPES.get(signature.get(name, ""))) for name in numbers[0]]
    if not signature:
        args += [*scalars, *(Arg(name=name, kind=ArgKind.SIZE, dtype=DType.I32) for name in hidden)]
    else:
        by_name = {arg.name: arg for arg in (*args, *scalars)}
        if unknown := [name for name in signature if name not in by_name]:
            raise UsageError(f"{unknown[0]} is neither a tensor nor a number in the tests")
        args = [by_name[name] for name in signature]
    sizes = {arg.name for arg in args if arg.kind is ArgKind.SIZE}
    return Task(
        name=spec.name,
        suite=spec.suite,
        form=Form.LAUNCHER,
        entry=LAUNCHER,
        args=tuple(args),
        cases=tuple(
            Case(
                name=case["name"],
                timed=case["timed"],
                sizes={
                    _CASE: i + 1,
                    _SUMS: case["reduction"],
                    **{name: numbers[i][name] for name in numbers[0] if name in sizes},
                    **{name: values[i] for name, values in hidden.items()},
                },
                scalars={arg.name: numbers[i][arg.name] for arg in scalars if arg.kind is ArgKind.SCALAR},
            )
            for i, case in enumerate(cases)
        ),
        distributions=(Distribution.NORMAL,),  # what the format's generator draws is what there is
        tolerance=Tolerance(reduction=Expression(_SUMS)),
        cost=Cost(bytes=_bytes(args, cases)),
        baseline=catalog.read(launcher),
        reference=reference,
        notes=spec.notes,
        assumptions=_assumptions(found),
    )


def _module(spec: Spec, found: Mapping[str, Any], reference: Reference) -> Task:
    number, case = max(((i, case) for i, case in enumerate(found["cases"]) if case["timed"]), key=lambda pair: _elements(pair[1]))
    if writes := [fact["name"] for fact in case["tensors"] if fact["role"] == "inout"]:
        raise UsageError(f"{writes[0]} is read and written, which a module may not do; give a CUDA launcher with --task")
    args, _ = _tensors([case], {})
    others = len(found["cases"]) - 1
    left = (f"of {others + 1} cases only {case['name']} is judged, as a module's call has one shape",) if others else ()
    read = [fact["name"] for fact in case["tensors"] if fact["role"] == "input" and fact["name"] not in found["parameters"]]
    written = [{"arg": fact["name"]} for fact in case["tensors"] if fact["role"] == "output"]
    return Task(
        name=spec.name,
        suite=spec.suite,
        form=Form.TORCH,
        entry=ENTRY,
        args=tuple(args),
        cases=(Case(name=case["name"], sizes={_CASE: number + 1, _SUMS: case["reduction"]}, timed=True),),
        distributions=(Distribution.NORMAL,),
        tolerance=Tolerance(reduction=Expression(_SUMS)),
        cost=Cost(bytes=_bytes(args, [case])),
        baseline=spec.module(found, case),
        flags=(),
        policy=Policy(libraries=("torch",)),
        reference=reference,
        torch=TorchCall(
            init='{"list": []}',
            inputs=json.dumps({"list": [{"arg": name} for name in read]}),
            outputs=json.dumps(written[0] if len(written) == 1 else {"tuple": written}),
            parameters=dict(found["parameters"]),
            shapes={fact["name"]: tuple(fact["shape"]) for fact in case["tensors"]},
        ),
        notes=spec.notes,
        assumptions=(*_assumptions(found), *left),
    )


def _numbers(spec: Spec, cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By case, every number that a launcher is given. Raises `UsageError` for what no launcher can be given and that changes."""
    names = list(cases[0]["scalars"])
    if other := next((case for case in cases if list(case["scalars"]) != names), None):
        raise UsageError(f"case {other['name']} has other arguments than {cases[0]['name']}")
    for name in names:
        values = [case["scalars"][name] for case in cases]
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values) and values.count(values[0]) != len(values):
            raise UsageError(f"{name} is {values[0]!r} in one case and another in others, and a launcher can be given finite numbers alone")
    rows = []
    for i, case in enumerate(cases):
        plain = {name: int(v) if isinstance(v, bool) else v for name, v in case["scalars"].items() if isinstance(v, int | float)}
        rows.append({**plain, **({} if i >= len(spec.sizes) else {k: v for k, v in spec.sizes[i].items() if k not in plain})})
    if uneven := next((row for row in rows if row.keys() != rows[0].keys()), None):
        raise UsageError(f"cases have different arguments: {', '.join(rows[0])} and {', '.join(uneven)}")
    return rows


def _tensors(cases: Sequence[Mapping[str, Any]], counts: Mapping[str, Sequence[int]]) -> tuple[list[Arg], dict[str, list[int]]]:
    """The tensors as arguments, and the sizes that had to be made up: those of extents that no formula over `counts` gives."""
    first = cases[0]["tensors"]
    hidden: dict[str, list[int]] = {}
    args = []
    for place, fact in enumerate(first):
        facts = [case["tensors"][place] for case in cases if place < len(case["tensors"])]
        if len(facts) != len(cases) or any(_kind(one) != _kind(fact) for one in facts):
            raise UsageError(f"{fact['name']} has another type or number of dimensions in one case than in another")
        extents = []
        for axis in range(len(fact["shape"])):
            values = [one["shape"][axis] for one in facts]
            text = formula(values, {**counts, **hidden})
            if text is None:
                text = f"{fact['name']}_{axis}"
                hidden[text] = values
            extents.append(Expression(text))
        kind = _KINDS[fact["role"]]
        args.append(Arg(name=fact["name"], kind=kind, dtype=DType(fact["dtype"]), shape=tuple(extents) or (Expression("1"),)))
    return args, hidden


def _kind(fact: Mapping[str, Any]) -> tuple[Any, ...]:
    return fact["name"], fact["role"], fact["dtype"], len(fact["shape"])


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _scalar(name: str, values: Sequence[Any], dtype: DType | None) -> Arg:
    """A number among the arguments: a size where it can be one."""
    if any(isinstance(value, float) for value in values) or (dtype is not None and dtype.is_float):
        return Arg(name=name, kind=ArgKind.SCALAR, dtype=dtype or DType.F32)
    fits = DType.I32 if all(value in _INT32 for value in values) else DType.I64
    return Arg(name=name, kind=ArgKind.SIZE if all(map(_count, values)) else ArgKind.SCALAR, dtype=dtype or fits)


def _bytes(args: Sequence[Arg], cases: Sequence[Mapping[str, Any]]) -> Expression:
    """What must cross DRAM: outputs, and inputs where no case reads only a part of them."""
    partial = any(case["partial"] for case in cases)
    counted = [arg for arg in args if arg.is_tensor and (arg.is_written or not partial)]
    return Expression(
        " + ".join("*".join(f"({extent.text})" for extent in (Expression(str(arg.dtype.size)), *arg.shape)) for arg in counted)
    )


def _elements(case: Mapping[str, Any]) -> int:
    return sum(math.prod(fact["shape"]) for fact in case["tensors"])


def _assumptions(found: Mapping[str, Any]) -> tuple[str, ...]:
    narrow = "the reference runs in its own types, as it does not take float64: what it rounds counts as exact"
    return ("inputs are drawn by the problem's own generator", *(() if found["wide"] else (narrow,)))
