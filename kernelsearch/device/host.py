"""This machine's CPU, for PyTorch tasks where there is no GPU: device `host`.

The same boxes and conversation as on a GPU. What is measured is this CPU, which says nothing of any GPU; nobody knows its peaks here,
so no floor is drawn, and what a candidate's process claims is not held against a clock outside. Sources in CUDA cannot run on it: the
emulated device is for those.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelsearch.device.base import Job, JobResult, ProfileResult, Rung
from kernelsearch.device.boxed import Boxes
from kernelsearch.device.pool import GpuLock, WarmPool
from kernelsearch.device.runner import libraries, runner_box, runner_command
from kernelsearch.model import Hardware, TimeKind, Verdict
from kernelsearch.sandbox.base import Sandbox
from kernelsearch.sanitizer import SanitizerReport

_WARM_BOXES = 1  # importing torch is work for the CPU that is timed
_MOST_SETS = 1  # contents are made by the CPU itself and take longer than many a call: calls in a row would show nothing
_NO_BOUND = 1e30


class HostDevice:
    """See `device.base.Device`. Raises `ToolMissing` without torch."""

    def __init__(self, *, sandbox: Sandbox, scratch: Path, hardware: Hardware) -> None:
        self._hardware = hardware
        self._lock = GpuLock("host")
        found = libraries(("torch", "numpy"), "torch")
        command = "host"

        pool = WarmPool(
            sandbox,
            scratch,
            lambda folder: runner_box((*runner_command(command, folder, self._lock), "torch"), folder, self._lock, found),
            _WARM_BOXES,
        )
        self._boxes = Boxes(pool, self._lock, None, "", self.name, _MOST_SETS)
        self._facts = pool.facts()

    @property
    def name(self) -> str:
        return f"host CPU ({platform.machine()})"

    @property
    def time_kind(self) -> TimeKind:
        return TimeKind.MEASURED

    @property
    def hardware(self) -> Hardware:
        return self._hardware

    @property
    def facts(self) -> Mapping[str, str]:
        return {**self._facts, "measured": "this machine's CPU: says nothing of a GPU"}

    @property
    def draws(self) -> bool:
        return True

    def run(self, job: Job, rung: Rung | None = None) -> JobResult:
        if job.torch is None:
            detail = "the host's CPU runs PyTorch tasks alone; --device emulated is for CUDA sources"
            return JobResult(failure=Verdict.UNSUPPORTED, detail=detail)
        return self._boxes.run(job, rung, lambda: {"state": "not recorded: a CPU"})

    def profile(self, job: Job, metrics: Sequence[str]) -> ProfileResult:
        return ProfileResult(missing="a CPU has none of a GPU's counters")

    def sanitize(self, job: Job) -> tuple[SanitizerReport, ...]:
        return (SanitizerReport(missing="compute-sanitizer looks at GPUs alone"),)

    def close(self) -> None:
        self._boxes.close()


def unbounded(pattern: Hardware) -> Hardware:
    """`pattern` with no peak that a floor could be drawn from."""
    from dataclasses import replace

    peaks = dict.fromkeys(pattern.tensor_flops, _NO_BOUND)
    return replace(
        pattern,
        name="host CPU",
        dram_bytes_per_s=_NO_BOUND,
        fp32_flops=_NO_BOUND,
        fp64_flops=_NO_BOUND,
        tensor_flops=peaks,
    )
