"""A lab whose GPU times in pairs: kernels are told apart by their source, and each trial of one can go another way."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy_lab import stored_values

from kernelsearch import catalog, digest
from kernelsearch.device.base import CallResult, Job, JobResult, KernelCounters, Mode, ProfileResult
from kernelsearch.lab import Lab
from kernelsearch.model import (
    Arg,
    ArgKind,
    Build,
    Candidate,
    Case,
    Cost,
    Distribution,
    DType,
    Environment,
    Expression,
    Form,
    Hazard,
    Metric,
    Origin,
    Reference,
    Task,
    TimeKind,
    Verdict,
)
from kernelsearch.sanitizer import SanitizerReport

N = Expression("n")
TASK = Task(
    name="double",
    form=Form.LAUNCHER,
    entry="solve",
    args=(
        Arg(name="x", kind=ArgKind.INPUT, dtype=DType.F32, shape=(N,)),
        Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(N,)),
        Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
    ),
    cases=(Case(name="big", sizes={"n": 4096}, timed=True), Case(name="ragged", sizes={"n": 37})),
    distributions=(Distribution.NORMAL,),
    cost=Cost(bytes=Expression("8 * n")),
    baseline="// baseline",
    reference=Reference(source="def double(x, n):\n    return 2 * x\n", function="double"),
)
PAIRS = 41
_NOISE = 1.0 + 0.001 * np.random.default_rng(0).permutation(np.linspace(-1.0, 1.0, PAIRS))  # its median is 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What a kernel does in one trial: multiply by `factor` (timed: by `timed_factor`) in `us`, or fail in a mode."""

    us: float = 20.0
    factor: float = 2.0
    timed_factor: float | None = None
    failures: Mapping[Mode, Verdict] = field(default_factory=dict)
    unexplained_us: float = 0.0
    doubt_us: float = 0.1
    silent: bool = False  # no output of a timed call comes back


class PairedDevice:
    """`kernels` by source; of several, each trial (a verification and a timed run) takes the next, and the last stays. Others are as
    the default says. `jobs` are those that were asked for, of rivals too."""

    name, draws = "fake GPU", True

    def __init__(self, kernels=None, *, time_kind=TimeKind.MEASURED, reports=()) -> None:
        self.hardware, self.time_kind, self.facts = catalog.hardware("h100"), time_kind, {}
        self.kernels = {source: found if isinstance(found, tuple) else (found,) for source, found in (kernels or {}).items()}
        self.reports: tuple[SanitizerReport, ...] = reports
        self.jobs: list[Job] = []
        self.sanitized: list[Job] = []
        self._trials: Counter = Counter()

    @property
    def modes(self) -> list[Mode]:
        return [job.mode for job in self.jobs]

    def run(self, job, rung=None) -> JobResult:
        self.jobs.append(job)
        kernel = self._next(job)
        if job.mode in kernel.failures:
            return JobResult(failure=kernel.failures[job.mode], detail="as the test asked")
        if job.mode is Mode.TIME:
            return JobResult(calls=(*self._timed(job, kernel), *self._sampled(job, kernel)), conditions={"clock": "1980 MHz"})
        calls = [CallResult(label=call.label, outputs={"y": times(call, kernel.factor, call.key, call.distribution)}) for call in job.calls]
        return JobResult(calls=tuple(calls if rung is None or rung(calls[0]) else calls[:1]))

    def profile(self, job, metrics) -> ProfileResult:
        return ProfileResult(kernels=(KernelCounters(kernel="k", metrics={name: Metric(value=1.0) for name in metrics}),))

    def sanitize(self, job) -> tuple[SanitizerReport, ...]:
        self.sanitized.append(job)
        return self.reports

    def close(self) -> None:
        pass

    def _next(self, job: Job) -> Kernel:
        trials = self.kernels.get(job.build.artifact, (Kernel(),))
        number = self._trials[job.build.artifact, job.mode]
        self._trials[job.build.artifact, job.mode] += 1
        return trials[min(number, len(trials) - 1)]

    def _timed(self, job: Job, kernel: Kernel):
        theirs = None if job.rival is None else self.kernels.get(job.rival.build.artifact, (Kernel(),))[0].us
        for call in job.calls:
            yield CallResult(
                label=call.label,
                samples_us=tuple(kernel.us * _NOISE),
                rival_us=() if theirs is None else tuple(theirs * _NOISE[::-1]),
                unexplained_us=kernel.unexplained_us,
                doubt_us=kernel.doubt_us,
            )

    def _sampled(self, job: Job, kernel: Kernel):
        factor = kernel.factor if kernel.timed_factor is None else kernel.timed_factor
        for sample in () if kernel.silent else job.samples:
            call = job.calls[sample.call]
            yield CallResult(label=call.label, sample=sample, outputs={"y": times(call, factor, sample.key, sample.distribution)})


def times(call, factor: float, key: int, distribution: str) -> bytes:
    return (stored_values(call.args[0], key, distribution) * np.float32(factor)).tobytes()


class SourceToolchain:
    """The artifact is the source. `failures` by source."""

    name = "fake 1.0"

    def __init__(self, failures=None) -> None:
        self.failures, self.builds = failures or {}, 0

    def build(self, candidate, task) -> Build:
        self.builds += 1
        if failure := self.failures.get(candidate.source):
            return Build(ok=False, toolchain=self.name, failure=failure, log="candidate.cu:3: error: no")
        return Build(ok=True, toolchain=self.name, artifact=candidate.source)


def paired_lab(scratch: Path, device=None, toolchain=None) -> Lab:
    device = device or PairedDevice()
    return Lab(
        device=device,
        toolchain=toolchain or SourceToolchain(),
        sandbox=None,
        metric_set=catalog.metric_set("quick"),
        environment=Environment(device=device.name, time_kind=device.time_kind.value, sandbox="none (unsafe)"),
        scratch=scratch,
        secret="secret",
    )


def candidate(source: str = "// candidate", flags: tuple[str, ...] = ("-O3",)) -> Candidate:
    return Candidate(task=digest.task(TASK), source=source, flags=flags, origin=Origin(proposer="test"))


def hazard(doubt: str = "") -> SanitizerReport:
    found = Hazard(tool="racecheck", kind="race in shared memory", message="a write races with a read", kernel="k", line=7, doubt=doubt)
    return SanitizerReport(hazards=(found,), count=1)
