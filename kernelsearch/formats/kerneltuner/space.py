"""A tuning space as a T1 file has it: parameters, their values and conditions, and how a configuration is launched.

The order of parameters is the file's; it is also the order in keys of the cache. A configuration maps every parameter to one of its
values. What conditions refuse is not part of the space.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kernelsearch.errors import UsageError
from kernelsearch.formats.kerneltuner.condition import Scalar, Term, compiled

Value = Scalar
Configuration = Mapping[str, Value]

_LARGEST_RANGE = 100_000  # values of one parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One thing that can be chosen."""

    name: str
    type: str
    values: tuple[Value, ...]
    default: Value

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise UsageError(f"tuning parameter {self.name}: its values must be distinct, and there must be one at least")
        if self.default not in self.values:
            raise UsageError(f"tuning parameter {self.name}: the default {self.default!r} is not one of its values")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Launch dimensions of one configuration: blocks, threads a block, bytes of dynamic shared memory."""

    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int


@dataclass(frozen=True, kw_only=True)
class Space:
    """What may be chosen for one kernel."""

    name: str  # of the benchmark
    kernel: str
    source: str  # file beside the T1 file; "" where it names none
    parameters: tuple[Parameter, ...]
    conditions: tuple[str, ...]
    problem: tuple[int, ...]
    launch: Mapping[str, str]  # "grid.x" … "block.z", "shared": expressions over parameters
    raw: Mapping[str, Any]  # the file as it is, with what we have no use for

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters in order."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def default(self) -> dict[str, Value]:
        """The configuration that the file starts from."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    @property
    def size(self) -> int:
        """Configurations, with those that conditions refuse."""
        return math.prod(len(parameter.values) for parameter in self.parameters)

    @cached_property
    def _tests(self) -> tuple[tuple[Term, frozenset[str]], ...]:
        return tuple(compiled(condition) for condition in self.conditions)

    @cached_property
    def _dimensions(self) -> dict[str, Term]:
        return {key: compiled(text)[0] for key, text in self.launch.items()}

    def key(self, configuration: Configuration) -> str:
        """How the cache names a configuration."""
        return ",".join(str(configuration[name]) for name in self.names)

    def admits(self, configuration: Configuration) -> bool:
        """Whether each value is one of its parameter's, and every condition holds."""
        known = all(configuration.get(parameter.name) in parameter.values for parameter in self.parameters)
        return known and all(test(configuration) for test, _ in self._tests)

    def configurations(self) -> Iterator[dict[str, Value]]:
        """Every configuration that conditions admit, the last parameter changing first."""
        order = {name: place for place, name in enumerate(self.names)}
        due: list[list[Term]] = [[] for _ in self.names]  # a condition is tried as soon as all of its names have values
        for test, names in self._tests:
            due[max((order[name] for name in names), default=0)].append(test)
        yield from self._extended({}, 0, due)

    def _extended(self, chosen: dict[str, Value], place: int, due: list[list[Term]]) -> Iterator[dict[str, Value]]:
        if place == len(self.parameters):
            yield dict(chosen)
            return
        parameter = self.parameters[place]
        for value in parameter.values:
            chosen[parameter.name] = value
            if all(test(chosen) for test in due[place]):
                yield from self._extended(chosen, place + 1, due)
        del chosen[parameter.name]

    def launched(self, configuration: Configuration) -> Launch:
        """How the kernel is launched for `configuration`."""
        found = {}
        for key, term in self._dimensions.items():
            value = term(configuration)
            if not isinstance(value, int | float) or value != int(value):
                raise UsageError(f"{self.name}: {key} = {self.launch[key]} is {value!r} for {self.key(configuration)}, no whole number")
            found[key] = int(value)
        return Launch(
            grid=(found["grid.x"], found["grid.y"], found["grid.z"]),
            block=(found["block.x"], found["block.y"], found["block.z"]),
            shared=found["shared"],
        )


def read_t1(path: Path) -> Space:
    """The tuning space in the T1 file `path`; raises `UsageError` naming file and field."""
    try:
        raw = json.loads(path.read_text())
        return _space(raw)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a T1 file ({error})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: a T1 file needs {error} (see the schema of FAIR autotuning benchmarks)") from error


def _space(raw: Mapping[str, Any]) -> Space:
    kernel = raw["KernelSpecification"]
    parameters = tuple(_parameter(entry) for entry in raw["ConfigurationSpace"]["TuningParameters"])
    conditions = tuple(str(entry["Expression"]) for entry in raw["ConfigurationSpace"].get("Conditions", []))
    names = {parameter.name for parameter in parameters}
    launch = {"shared": str(kernel.get("SharedMemory", 0))}
    for key, field in (("grid", "GlobalSize"), ("block", "LocalSize")):
        given = kernel.get(field, {})
        launch |= {f"{key}.{axis.lower()}": str(given.get(axis, 1)) for axis in "XYZ"}
    for text in (*conditions, *launch.values()):
        if unknown := compiled(text)[1] - names:
            raise UsageError(f"{text!r} names {', '.join(sorted(unknown))}, which is no tuning parameter")
    return Space(
        name=str(raw.get("General", {}).get("BenchmarkName", kernel["KernelName"])),
        kernel=str(kernel["KernelName"]),
        source=str(kernel.get("KernelFile", "")),
        parameters=parameters,
        conditions=conditions,
        problem=tuple(kernel.get("ProblemSize", ())),
        launch=launch,
        raw=raw,
    )


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    values = tuple(_values(str(entry["Values"])))
    default = entry.get("Default", values[0])
    if isinstance(default, str) and entry["Type"] != "string":
        default = ast.literal_eval(default)
    return Parameter(name=entry["Name"], type=entry["Type"], values=values, default=default)


def _values(text: str) -> list[Value]:
    """A list of constants, or `range(…)`; other Python that T1 allows is refused rather than run."""
    tree = ast.parse(text.strip(), mode="eval").body
    match tree:
        case (
            ast.Call(func=ast.Name(id="list"), args=[ast.Call(func=ast.Name(id="range"), args=args)])
            | ast.Call(func=ast.Name(id="range"), args=args)
        ):
            found = range(*(ast.literal_eval(arg) for arg in args))
            if len(found) > _LARGEST_RANGE:
                raise UsageError(f"more than {_LARGEST_RANGE} values: {text[:60]!r}")
            return list(found)
    try:
        return list(ast.literal_eval(tree))
    except (ValueError, TypeError) as error:
        raise UsageError(f"values must be a list of constants or a range: {text[:60]!r}") from error
