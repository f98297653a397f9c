"""A job for the emulated device as files, and what its box left behind as values: both sides of that border are here.

What comes back was written beside untrusted code. It is taken by size and type, and never says more than how a run ended, what it
counted and which bytes it computed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernelsearch import codec
from kernelsearch.device.base import Call, Job, Tensor
from kernelsearch.device.border import MAX_DIMENSION, in_numbers, place
from kernelsearch.device.model import LaunchCounts
from kernelsearch.errors import UsageError
from kernelsearch.sandbox.files import read_left

_REPORT_BYTES = 16 << 20
_MAX_COUNT = 1e18  # of anything: more than a CPU can do in a lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulationError:
    """Why a run ended; kinds as in sandbox/emulation/abi.h, or "load". `line` is the candidate's, 0 when not known."""

    kind: str
    message: str
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchReport:
    """One launch as reported. Without instrumentation there are no counters."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int = 0
    counters: Mapping[str, float] = field(default_factory=dict)

    def counts(self) -> LaunchCounts | None:
        """For the time model; None when the figures cannot be true."""
        extents = (*self.grid, *self.block)
        if not all(1 <= extent <= MAX_DIMENSION for extent in extents) or not 0 <= self.shared <= MAX_DIMENSION:
            return None
        if not all(0 <= value <= _MAX_COUNT for value in self.counters.values()):  # false for what is not a number, too
            return None
        return LaunchCounts(kernel=self.kernel, grid=self.grid, block=self.block, shared=self.shared, counters=self.counters)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One call made once, under one thread order. `changed` names an input that was modified."""

    error: EmulationError | None
    launches: tuple[LaunchReport, ...]
    changed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    label: str
    runs: tuple[RunReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """result.json. `stopped`: why the runner gave up beside a run."""

    calls: tuple[CallReport, ...]
    stopped: EmulationError | None


class Delivery:
    """One job in a folder with `in` and `out`."""

    def __init__(self, job: Job, folder: Path, *, orders: Sequence[int], repeat_threads: int, sampled_blocks: int) -> None:
        """Put everything in place. Raises `UsageError` for a launch plan that cannot be evaluated."""
        self.inputs, self.outputs = folder / "in", folder / "out"
        self._job = job
        self.inputs.mkdir(parents=True)
        self.outputs.mkdir()
        place(Path(job.build.artifact), self.inputs / "artifact")
        for index, file in enumerate(self._files()):
            place(file, self.inputs / f"{index}.bin")
        calls = [self._call(index, call) for index, call in enumerate(job.calls)]
        # The largest launch of the plan; 0 for a launcher, whose launches nobody knows before.
        self.threads = max((math.prod((*item["grid"], *item["block"])) for call in calls for item in call["launches"]), default=0)
        text = {
            "entry": job.entry,
            "orders": list(orders),
            "repeat_threads": repeat_threads,
            "instrument": sampled_blocks > 0,
            "sampled_blocks": sampled_blocks,
            "calls": calls,
        }
        (self.inputs / "job.json").write_text(json.dumps(text))

    def report(self) -> Report | None:
        """What the runner said; None when it said nothing that can be used."""
        text = read_left(self.outputs / "result.json", _REPORT_BYTES)
        try:
            report = None if text is None else codec.load_json(Report, text)
        except UsageError:
            return None
        if report is not None and [call.label for call in report.calls] != [call.label for call in self._job.calls][: len(report.calls)]:
            return None
        return report

    def progress(self) -> str:
        """The call that was under way last."""
        return (read_left(self.outputs / "progress", 1000) or b"").decode(errors="replace")

    def output(self, call: int, tensor: Tensor, run: int) -> bytes | None:
        """The bytes of one output; None when there are not as many as there must be."""
        data = read_left(self.outputs / (_output(call, tensor) + (f".{run}" if run else "")), tensor.nbytes)
        return data if data is not None and len(data) == tensor.nbytes else None

    def _files(self) -> list[Path]:
        found = [arg.file for call in self._job.calls for arg in call.args if isinstance(arg, Tensor) and arg.file is not None]
        return list(dict.fromkeys(found))

    def _call(self, index: int, call: Call) -> dict[str, Any]:
        files = {file: f"{number}.bin" for number, file in enumerate(self._files())}
        args: list[dict[str, Any]] = [
            {
                "name": arg.name,
                "nbytes": arg.nbytes,
                "input": None if arg.file is None else files[arg.file],
                "output": _output(index, arg) if arg.written else None,
            }
            if isinstance(arg, Tensor)
            else {"dtype": arg.dtype.value, "value": arg.value}
            for arg in call.args
        ]
        planned = {"scratch": [], "launches": []} if self._job.plan is None else in_numbers(self._job.plan, call)
        return {"label": call.label, "args": args, **planned}


def _output(call: int, tensor: Tensor) -> str:
    return f"{call}-{tensor.name}.bin"
