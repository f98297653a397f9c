"""Kernels built to have exactly one disease each: `tests/diseases/NAME.cu` and `NAME.task.toml`.

The first lines of each say which it is, as `Resource.value`, and why a profiler must see that and nothing else:

    // disease: memory latency
    // because: each warp follows a chain of addresses …
    // device: any

`device` is `any` where the emulated device sees the disease too, from its own counts; `gpu` where it takes hardware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsearch import catalog
from kernelsearch.model import Resource, Task

FOLDER = Path(__file__).resolve().parents[1] / "diseases"
_HEADER = re.compile(r"// disease: (?P<disease>.+)\n// because: (?P<because>.+)\n// device: (?P<device>any|gpu)\n\n")


@dataclass(frozen=True, kw_only=True)
class Disease:
    name: str
    resource: Resource
    because: str
    device: str
    path: Path

    def task(self, *, small: bool = False) -> Task:
        """With its timed case in the size for an H100; `small`: with the case called "modelled" in its place, for the emulated device."""
        task = catalog.task(str(self.path.with_suffix(".task.toml")))
        if not small or not any(case.name == "modelled" for case in task.cases):
            return replace(task, suite="diseases")
        cases = tuple(replace(case, timed=case.name == "modelled") for case in task.cases if not case.timed)
        return replace(task, suite="diseases", cases=cases)


def diseases() -> tuple[Disease, ...]:
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.cu")))


def _read(path: Path) -> Disease:
    match = _HEADER.match(path.read_text())
    if match is None:
        raise ValueError(f"{path}: the first lines are not `// disease: …`, `// because: …`, `// device: any|gpu` and an empty one")
    return Disease(name=path.stem, resource=Resource(match["disease"]), because=match["because"], device=match["device"], path=path)
