"""A definition of FlashInfer Trace, or of SOL-ExecBench, with its workloads: a reference `run` on named tensors.

Inputs that a workload calls random are normal floats, as a reference must bear them; integers have no range in the format, so they are
small and not negative. Contents in files are not read: they belong to a data set that a checkout may not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from kernelsearch.oracle.problem import Fault
from kernelsearch.oracle.programs.files import Files

_TYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "bool": torch.bool,
}


class FlashInfer:
    fresh: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = {}
    structure: Mapping[str, Any] = {}

    def __init__(self, specification: Mapping[str, Any]) -> None:
        self._definition, self._workloads = specification["definition"], specification["workloads"]
        self._files = Files({"definition.py": self._definition["reference"]})
        module = self._files.module("definition")
        if not callable(getattr(module, "run", None)):
            raise Fault("its reference has no function run")
        self._run = module.run

    def cases(self) -> Sequence[tuple[str, bool]]:
        return [(workload["name"], workload["timed"]) for workload in self._workloads]

    def given(self, case: int) -> dict[str, Any]:
        workload = self._workloads[case]
        return {name: self._input(name, entry, workload) for name, entry in self._definition["inputs"].items()}

    def run(self, given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        returned = self._run(**given)
        names = list(self._definition["outputs"])
        if isinstance(returned, dict):
            if returned.keys() != set(names):
                raise Fault(f"run returned {', '.join(map(str, returned))} instead of {', '.join(names)}")
            return {name: torch.as_tensor(returned[name]) for name in names}
        values = returned if isinstance(returned, tuple | list) else (returned,)
        if len(values) != len(names):
            raise Fault(f"run returned {len(values)} values instead of {', '.join(names)}")
        return {name: torch.as_tensor(value) for name, value in zip(names, values, strict=True)}

    def _input(self, name: str, entry: Mapping[str, Any], workload: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a tensor or a number
        source = workload["inputs"].get(name, {"type": "random"})
        if source["type"] == "scalar":
            return source["value"]
        if source["type"] != "random":
            raise Fault(
                f"workload {workload['name']}: input {name} is of type {source['type']!r}, which is not read; leave that workload out"
            )
        if entry["shape"] is None:
            raise Fault(f"workload {workload['name']}: {name} is a scalar, and the workload gives it no value")
        kind = _TYPES[entry["dtype"]]
        shape = [workload["extents"][axis] for axis in entry["shape"]]
        if kind.is_floating_point:
            return torch.randn(shape, dtype=torch.float32).to(kind)
        return torch.randint(0, 2, shape).to(kind)
