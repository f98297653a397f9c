"""Programs by the format that their files are in: `loaded` makes one of a specification, {"format", "files", and the format's own keys}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kernelsearch.oracle.problem import Fault
from kernelsearch.oracle.program import Program
from kernelsearch.oracle.programs.files import place
from kernelsearch.oracle.programs.flashinfer import FlashInfer
from kernelsearch.oracle.programs.gpumode import GpuMode
from kernelsearch.oracle.programs.leetgpu import LeetGpu
from kernelsearch.oracle.programs.robust import Robust

__all__ = ["loaded", "place"]

_KINDS: dict[str, Callable[[Mapping[str, Any]], Program]] = {
    "flashinfer": FlashInfer,
    "gpumode": GpuMode,
    "leetgpu": LeetGpu,
    "robust-kbench": Robust,
}


def loaded(specification: Mapping[str, Any]) -> Program:
    """The program of a specification; its files run now. Raises whatever they raise."""
    if specification.get("format") not in _KINDS:
        raise Fault(f"no format is called {specification.get('format')!r}")
    return _KINDS[specification["format"]](specification)
