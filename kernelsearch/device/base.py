"""What runs kernels: the interface that `cuda`, `pycuda` and `emulated` implement, in terms of jobs.

A job is a list of calls for one built candidate. A device runs each job in a fresh box, alone on the device (`run` and `profile`
wait for it), poisons every output before each call, and hands back raw bytes. It judges nothing: comparing is done outside.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kernelsearch.model import Build, DType, Hardware, LaunchPlan, Metric, TimeKind, Verdict

POISON = 0xFF
"""Every byte of an output before a call: NaN in all float types, -1 or the maximum in integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A device buffer of `count` elements. `file` holds the contents to upload (raw, little endian), None for pure outputs.

    A `written` tensor comes back; one that is not must still hold its contents afterwards.
    """

    name: str
    dtype: DType
    count: int
    file: Path | None = None
    written: bool = False

    @property
    def nbytes(self) -> int:
        return self.count * self.dtype.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value passed by copy: a size or a coefficient."""

    name: str
    dtype: DType
    value: int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the candidate: arguments in the entry's order. `values` are the names that a launch plan may read."""

    label: str  # unique in its job: "case/distribution/seed"
    args: tuple[Tensor | Scalar, ...]
    values: Mapping[str, int | float]


class Mode(enum.Enum):
    VERIFY = "verify"  # run each call, return its outputs
    TIME = "time"  # time each call; outputs of the last timed launch come back too
    PROFILE = "profile"  # run each call once; used by the device itself under a profiler


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingPlan:
    """How a call is timed on hardware: warm up by time, then flush L2 before each sample until a count or a cap is reached."""

    warmup_ms: float = 50.0
    min_samples: int = 30
    max_samples: int = 100
    max_seconds: float = 2.0
    flush_l2: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A built candidate and what to do with it. `entry` is the host function of a launcher, None for `plan`."""

    build: Build
    entry: str | None
    plan: LaunchPlan | None
    calls: tuple[Call, ...]
    mode: Mode
    timing: TimingPlan = TimingPlan()
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """Raw bytes of every written tensor, samples in µs, and what the device noticed (`counters`, emulated only)."""

    label: str
    outputs: Mapping[str, bytes | memoryview]
    samples_us: tuple[float, ...] = ()
    counters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """`failure` is None, CRASHED, TIMED_OUT, UNSUPPORTED, NONDETERMINISTIC or CHEATED (an input or guard band changed)."""

    failure: Verdict | None = None
    detail: str = ""
    calls: tuple[CallResult, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCounters:
    """Counters of one kernel launch, as the profiler named it."""

    kernel: str
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileResult:
    """Launches in order, or why there are none (`missing`: no permission, no profiler, a failed run)."""

    kernels: tuple[KernelCounters, ...] = ()
    missing: str = ""
    report: bytes | None = None  # the profiler's own file
    seconds: float = 0.0


class Device(Protocol):
    """Implemented by `cuda`, `pycuda` and `emulated`; one contract suite runs on all.

    Thread-safe: calls from several threads wait for each other where the device must be used alone. The candidate's failures are
    in the results; ours raise `SandboxBroken`, `DeviceLost` or `ToolMissing`.
    """

    @property
    def name(self) -> str:
        """For people: "NVIDIA H200", "emulated H100"."""
        ...

    @property
    def time_kind(self) -> TimeKind: ...

    @property
    def hardware(self) -> Hardware: ...

    @property
    def facts(self) -> Mapping[str, str]:
        """Driver, runtime and library versions for the environment record."""
        ...

    def run(self, job: Job) -> JobResult: ...

    def profile(self, job: Job, metrics: Sequence[str]) -> ProfileResult:
        """Collect the named counters for the job's first call."""
        ...

    def close(self) -> None:
        """End processes kept warm; the device can not be used afterwards."""
        ...
