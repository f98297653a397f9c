"""FlashInfer Trace and SOL-ExecBench: a definition with its workloads as a task, and results as a Solution and its Traces.

A definition is found with its workloads beside it (`definition.json` with `workload.jsonl`) or in the data set's own folders
(`definitions/OP/NAME.json`, `workloads/OP/NAME.jsonl`). A workload whose contents are files is left out, and of the others at most eight
are judged, from the smallest to the largest, of which the last are timed: every workload costs its share of each evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.formats import modules
from kernelsearch.formats.fields import checked, get, optional, parsed
from kernelsearch.formats.listed import Listed, plain
from kernelsearch.formats.programs import Spec, as_task
from kernelsearch.model import Task

FORMAT = "flashinfer"
_KEYS = {"name", "axes", "inputs", "outputs", "reference"}
_TYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_MOST, _TIMED = 8, 3
_MOST_AXIS = 1 << 40


def is_definition(file: Path) -> bool:
    """Whether a JSON file has a definition's keys."""
    try:
        found = parsed(catalog.read(file), str(file))
    except UsageError:
        return False
    return isinstance(found, dict) and found.keys() >= _KEYS


def listed(file: Path) -> tuple[Listed, ...]:
    """The one task of a definition."""
    return (Listed(name=plain(file.stem), suite=FORMAT, read=partial(load, file)),)


def load(file: Path, *, launcher: Path | None = None) -> Task:
    """The task of a definition and its workloads. Raises as `programs.as_task` does, and where a file is not what it should be."""
    where = str(file)
    definition = definition_of(checked(parsed(catalog.read(file), where), dict, where), where)
    lines = _workloads_of(file, definition)
    workloads = [workload_of(parsed(text, place), definition, place) for place, text in lines]
    usable = [workload for workload in workloads if all(entry["type"] != "safetensors" for entry in workload["inputs"].values())]
    if not usable:
        raise UsageError(f"{where}: every workload has contents in files, which are not read; add one whose inputs are random")
    chosen = _spread(sorted(usable, key=lambda workload: _elements(definition, workload)))
    variable = [name for name, axis in definition["axes"].items() if axis["type"] == "var"]
    left = len(workloads) - len(chosen)
    spec = Spec(
        name=plain(definition["name"]),
        suite=FORMAT,
        where=where,
        program={"format": FORMAT, "definition": definition, "workloads": chosen},
        module=partial(_module, definition),
        sizes=[{name: workload["extents"][name] for name in variable} for workload in chosen],
        notes="\n".join(filter(None, (definition["description"], f"{left} workloads are left out." if left else ""))),
    )
    return as_task(spec, launcher)


def definition_of(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A definition that can be judged, checked. Raises `UsageError` with the place of what cannot."""
    axes = {name: _axis(axis, f"{where}: axes.{name}") for name, axis in get(table, "axes", dict, where).items()}
    found = {
        "name": get(table, "name", str, where),
        "op_type": optional(table, "op_type", str, where, ""),
        "description": optional(table, "description", str, where, ""),
        "axes": axes,
        "reference": get(table, "reference", str, where),
    }
    for side in ("inputs", "outputs"):
        found[side] = {name: _tensor(entry, axes, f"{where}: {side}.{name}") for name, entry in get(table, side, dict, where).items()}
        if not found[side]:
            raise UsageError(f"{where}: {side} is empty")
    if odd := [name for name in (*found["inputs"], *found["outputs"], *axes) if not name.isidentifier()]:
        raise UsageError(f"{where}: {odd[0]!r} cannot be the name of an argument")
    return found


def _axis(value: object, where: str) -> dict[str, Any]:
    axis = checked(value, dict, where)
    kind = get(axis, "type", str, where)
    if kind == "const":
        return {"type": kind, "value": _extent(get(axis, "value", int, where), where)}
    if kind != "var":
        raise UsageError(f"{where}: type {kind!r}; an axis is const or var")
    return {"type": kind}


def _extent(value: int, where: str) -> int:
    if not 1 <= value <= _MOST_AXIS:
        raise UsageError(f"{where}: {value} is no extent")
    return value


def _tensor(value: object, axes: Mapping[str, Any], where: str) -> dict[str, Any]:
    entry = checked(value, dict, where)
    dtype = get(entry, "dtype", str, where)
    if dtype not in _TYPES:
        raise UsageError(f"{where}: dtype {dtype} cannot be judged here; known are {', '.join(_TYPES)}")
    shape = None if entry.get("shape") is None else get(entry, "shape", list, where)
    if unknown := [axis for axis in shape or () if axis not in axes]:
        raise UsageError(f"{where}: shape names the axis {unknown[0]!r}, which is not in axes")
    return {"shape": shape, "dtype": dtype}


def _workloads_of(file: Path, definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines of the workloads' file with their places."""
    name, file = definition["name"], file.resolve()
    places = [file.with_name("workload.jsonl"), file.with_name(f"{name}.jsonl")]
    if len(file.parents) > 2:  # as the data set has them
        places.append(file.parents[2] / "workloads" / file.parent.name / f"{name}.jsonl")
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UsageError(f"{file}: no workloads; looked for {' and '.join(str(place) for place in places)}")
    lines = catalog.read(found).splitlines()
    return [(f"{found}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]


def workload_of(value: object, definition: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A workload, bare or inside a trace that has none of the rest."""
    row = checked(value, dict, where)
    row = optional(row, "workload", dict, where, row)
    given = get(row, "axes", dict, where)
    extents = {}
    for name, axis in definition["axes"].items():
        extents[name] = (
            axis["value"] if axis["type"] == "const" else _extent(get(given, name, int, f"{where}: axes"), f"{where}: axes.{name}")
        )
    inputs = {}
    for name, entry in optional(row, "inputs", dict, where, {}).items():
        place = f"{where}: inputs.{name}"
        kind = get(checked(entry, dict, place), "type", str, place)
        if kind == "scalar" and not isinstance(entry.get("value"), int | float):
            raise UsageError(f"{place}: value {entry.get('value')!r} is no number")
        inputs[name] = dict(entry)
    uuid = optional(row, "uuid", str, where, "")
    shown = "_".join(str(given[name]) for name in definition["axes"] if name in given)
    return {
        "name": plain(uuid or shown or "workload"),
        "uuid": uuid,
        "axes": dict(given),
        "extents": extents,
        "inputs": inputs,
        "timed": False,
    }


def _spread(workloads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A few of all, evenly from the smallest to the largest; the largest are timed."""
    count = min(len(workloads), _MOST)
    last = len(workloads) - 1
    chosen = [workloads[round(i * last / max(1, count - 1))] for i in range(count)]
    names = [workload["name"] for workload in chosen]
    return [
        {
            **workload,
            "name": f"{workload['name']}-{i}" if names.count(workload["name"]) > 1 else workload["name"],
            "timed": i >= count - _TIMED,
        }
        for i, workload in enumerate(chosen)
    ]


def _elements(definition: Mapping[str, Any], workload: Mapping[str, Any]) -> int:
    tensors = (*definition["inputs"].values(), *definition["outputs"].values())
    return sum(math.prod(workload["extents"][axis] for axis in entry["shape"] or ()) for entry in tensors)


def _module(definition: Mapping[str, Any], found: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    names = modules.read(found, case)
    given = [*(f"{name}={name}" for name in names), *(f"{name}={value!r}" for name, value in case["scalars"].items())]
    outputs = ", ".join(f"made[{name!r}]" for name in definition["outputs"])
    lines = [
        f"made = run({', '.join(given)})",
        "if isinstance(made, dict):",
        f"    made = ({outputs},)",
        "if isinstance(made, (list, tuple)) and len(made) == 1:",
        "    made = made[0]",
        "return made",
    ]
    return modules.module(modules.shaken([definition["reference"]], "run"), lines, names)
