"""What runs kernels: the interface that `cuda`, `pycuda` and `emulated` implement, in terms of jobs.

A job is a list of calls for one built candidate. A device runs each job in a fresh box, alone on the device (`run` and `profile`
wait for it), poisons every output before each call, and hands back raw bytes. It judges nothing: comparing is done outside.

Contents of a tensor are a file, or a recipe and the call's key (see `kernelsearch.contents`). A device that draws by itself is given
no files for what can be drawn, and takes fresh keys for every timed call.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kernelsearch.contents import Recipe
from kernelsearch.model import Build, DType, Hardware, LaunchPlan, Metric, TimeKind, TorchCall, Verdict
from kernelsearch.sanitizer import SanitizerReport

# Among a device's facts where they are there: what a person should be told before they believe a time.
IN_USE, NOT_WATCHED = "in use by others", "not watched"

POISON = 0xFF
"""Every byte of an output before a call: NaN in all float types, -1 or the maximum in integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A device buffer of `count` elements. `file` holds the contents to upload (raw, little endian), or `recipe` says how they are
    drawn; neither for pure outputs. With both they agree for the call's own key.

    A `written` tensor comes back; one that is not must still hold its contents afterwards.
    """

    name: str
    dtype: DType
    count: int
    shape: tuple[int, ...] = ()
    file: Path | None = None
    recipe: Recipe | None = None
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

    label: str  # unique in its job
    args: tuple[Tensor | Scalar, ...]
    values: Mapping[str, int | float]
    distribution: str = "normal"  # of drawn contents
    key: int = 0  # of drawn contents, 64 bit
    decoys: tuple[str, ...] = ()  # other distributions, of which some timed calls are that do not count

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(arg for arg in self.args if isinstance(arg, Tensor) and arg.written)


class Mode(enum.Enum):
    VERIFY = "verify"  # run each call, return its outputs
    TIME = "time"  # time each call; outputs of the wanted samples come back too
    PROFILE = "profile"  # run each call once; used by the device itself under a profiler


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingPlan:
    """How a call is timed on hardware: warm up by time, then pairs of candidate and rival until the ratio is known well enough.

    `width` is that of the interval of the median, end to end; `few` pairs suffice to give up on a candidate that is certainly slower
    than `slow` times the rival. A pair during which clocks were held down is repeated. `energy`: the power that its calls draw is wanted
    too, in the conditions, for which they are made for most of a second more.
    """

    warmup_ms: float = 50.0
    min_samples: int = 30
    max_samples: int = 100
    max_seconds: float = 2.0
    flush_l2: bool = True
    width: float = 0.01
    few: int = 10
    slow: float = 1.25
    energy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Contents that one of the timed calls is to have, and whose outputs are wanted. Which call it is, nobody knows before."""

    call: int  # index in the job
    key: int
    distribution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A built candidate and what to do with it. `entry` is the host function of a launcher, None for `plan`.

    `rival` (TIME) is timed in turn with it, on the same contents, in a process of its own; `rival_fresh` asks for one that has served
    nothing else. A device that models times needs no rival. `source` (PROFILE) is the candidate's text, where the profiler's own report
    is wanted as well.
    """

    build: Build
    entry: str | None
    plan: LaunchPlan | None
    calls: tuple[Call, ...]
    mode: Mode
    torch: TorchCall | None = None  # how a module of the torch form is called
    samples: tuple[Sample, ...] = ()
    rival: Job | None = None
    rival_fresh: bool = False
    source: str = ""
    linger_s: float = 0.0  # a pause among the timed calls, for what changes with time
    timing: TimingPlan = TimingPlan()
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """Raw bytes of every written tensor, samples in µs, and what the device noticed (`counters`, emulated only).

    VERIFY: a call that gave other bits the second time has two results. TIME on hardware: one result with the samples and without
    outputs for each call, then one with the outputs of each wanted sample that was taken. `rival_us` are the rival's samples, pair by
    pair; `unexplained_us` is how much longer a call took by the outside clock than it claimed, and `doubt_us` how uncertain that is,
    where it was held against that clock (`by_clock`).
    """

    label: str
    outputs: Mapping[str, bytes | memoryview] = field(default_factory=dict)
    sample: Sample | None = None
    samples_us: tuple[float, ...] = ()
    rival_us: tuple[float, ...] = ()
    unexplained_us: float = 0.0
    doubt_us: float = 0.0
    by_clock: bool = False
    counters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """`failure` is None, CRASHED, TIMED_OUT, UNSUPPORTED, NONDETERMINISTIC or CHEATED (an input or guard band changed)."""

    failure: Verdict | None = None
    detail: str = ""
    calls: tuple[CallResult, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Rung = Callable[[CallResult], bool]
"""Told the result of a job's first call; False ends the job there, with that result alone."""


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
    report: bytes | None = None  # the profiler's own file, where it was wanted and could be had
    source_page: str = ""  # what it says of lines and instructions, for `nsight.hot_lines`
    unread: str = ""  # why there is no such page though it was wanted
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

    @property
    def draws(self) -> bool:
        """Whether it makes contents from recipes by itself, so that these need no files."""
        ...

    def run(self, job: Job, rung: Rung | None = None) -> JobResult:
        """A device may pass over `rung` where stopping early would save nothing."""
        ...

    def profile(self, job: Job, metrics: Sequence[str]) -> ProfileResult:
        """Collect the named counters for the job's first call."""
        ...

    def sanitize(self, job: Job) -> tuple[SanitizerReport, ...]:
        """What compute-sanitizer says of the job's calls (mode PROFILE), tool by tool; none on a device that looks at accesses itself."""
        ...

    def close(self) -> None:
        """End processes kept warm; the device can not be used afterwards."""
        ...
