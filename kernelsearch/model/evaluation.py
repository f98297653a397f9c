"""The judgement of one candidate: a verdict and the evidence up to the stage where it ended."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.candidate import LaunchPlan
from kernelsearch.model.measurement import Measurement
from kernelsearch.model.profile import Profile


class Verdict(enum.Enum):
    """How a candidate ended. `prompt` tells a model, `report` tells a person."""

    PASSED = "passed"
    REJECTED = "rejected"
    BUILD_FAILED = "build failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    WRONG = "wrong"
    NONDETERMINISTIC = "nondeterministic"
    IMPLAUSIBLE = "implausible"
    CHEATED = "cheated"
    HAZARD = "hazard"
    UNSUPPORTED = "unsupported"

    @property
    def prompt(self) -> str:
        return _PROMPT[self]

    @property
    def report(self) -> str:
        return _REPORT[self]


_PROMPT = {
    Verdict.PASSED: "It builds, every output is right, and it was timed.",
    Verdict.REJECTED: "It uses something the task does not allow, so it was not run. Remove it.",
    Verdict.BUILD_FAILED: "It does not compile. Fix the first error below; later ones often follow from it.",
    Verdict.CRASHED: "It crashed while running: check bounds, alignment and shared-memory size.",
    Verdict.TIMED_OUT: "It did not finish in the time allowed: look for a loop or barrier that never ends.",
    Verdict.WRONG: "It ran, but an output is wrong; the worst element is named below.",
    Verdict.NONDETERMINISTIC: "Its outputs change with the order in which threads run: a barrier or an atomic is missing.",
    Verdict.IMPLAUSIBLE: "It was faster than the hardware can be, so it did not do the work.",
    Verdict.CHEATED: "It changed what it may only read, wrote outside its outputs, worked on after it returned, or told a false time.",
    Verdict.HAZARD: "compute-sanitizer found a memory error or a race in it; the place is named below.",
    Verdict.UNSUPPORTED: "This device cannot run it; the construct is named below. Do without it.",
}
_REPORT = {
    Verdict.PASSED: "Built, verified on every case and distribution, and timed.",
    Verdict.REJECTED: "Refused before running: it uses something the task's policy forbids.",
    Verdict.BUILD_FAILED: "The compiler refused it.",
    Verdict.CRASHED: "It ended abnormally: an illegal access, a failed launch or a signal.",
    Verdict.TIMED_OUT: "It was stopped at its time limit.",
    Verdict.WRONG: "At least one output differs from the reference by more than the tolerance.",
    Verdict.NONDETERMINISTIC: "The same inputs gave different outputs under another thread order.",
    Verdict.IMPLAUSIBLE: "Its time lies below the physical floor of the task on this hardware.",
    Verdict.CHEATED: "It modified an input, wrote outside its own buffers, worked on after it returned, or told a false time.",
    Verdict.HAZARD: "compute-sanitizer found a memory error or a race, though its outputs were right.",
    Verdict.UNSUPPORTED: "The device at hand cannot run it; this says nothing about the kernel.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a check noticed in source or binary. `forbidden` findings reject the candidate."""

    rule: str
    message: str
    line: int | None = None
    forbidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """What compute-sanitizer reported of one place in a candidate's kernels. `doubt` says why the tool may be wrong there."""

    tool: str  # "memcheck", "racecheck", "initcheck" or "synccheck"
    kind: str  # "invalid global write", "race in shared memory", …
    message: str  # one sentence
    kernel: str = ""  # as the source names it; "" when the tool did not tell
    line: int | None = None  # in the candidate's own source
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelResources:
    """What the compiler reported for one kernel: registers a thread, spills and static shared memory in bytes."""

    kernel: str
    registers: int
    spill_store_bytes: int = 0
    spill_load_bytes: int = 0
    shared_bytes: int = 0
    constant_bytes: int = 0
    stack_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What the toolchain made of a candidate. `artifact` is a path in the build cache, empty unless `ok`.

    `failure` is BUILD_FAILED, UNSUPPORTED or TIMED_OUT; `log` then holds the compiler's own words.
    """

    ok: bool
    toolchain: str
    artifact: str = ""
    plan: LaunchPlan | None = None  # kernels form only
    failure: Verdict | None = None
    log: str = ""
    resources: tuple[KernelResources, ...] = ()
    instructions: Mapping[str, int] = field(default_factory=dict)  # SASS opcode -> count, static
    sass_digest: str = ""
    code: str = ""  # names what is loaded and runs: equal for candidates that were compiled to the same; empty where that cannot be told
    seconds: float = 0.0
    cached: bool = False

    def __post_init__(self) -> None:
        if self.ok == (self.failure is not None):
            raise ValueError("a build either is ok or has a failure")
        if self.ok and not self.artifact:
            raise ValueError("a build that is ok has an artifact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One call compared with its reference. Errors are for the worst output; `where` names output and index."""

    case: str
    distribution: str
    verdict: Verdict  # PASSED, or why this call failed
    max_error: float = 0.0  # worst |difference| over its gate: above 1 is wrong
    relative_error: float = 0.0  # Frobenius norm of the difference over that of the reference
    where: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a judgement was made; `facts` are versions and names for the report."""

    device: str
    time_kind: str  # "measured" or "modelled"
    sandbox: str  # level, or "none (unsafe)"
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The second trial of a kernel that looked faster than the best one so far: fresh process, fresh contents, timed against that one.

    `held`: all of `measurement.interval` lies beyond the minimum effect, so it is the faster one. `detail` says so in words.
    """

    against: str  # digest of the candidate that it was timed against
    measurement: Measurement
    held: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A candidate's verdict with its evidence. Only PASSED has a measurement that counts; impossible pairings are refused."""

    candidate: str  # digest
    verdict: Verdict
    detail: str = ""  # the first reason, for prompt and table: compiler error, worst element, missing construct
    findings: tuple[Finding, ...] = ()
    build: Build | None = None
    checks: tuple[Check, ...] = ()
    measurement: Measurement | None = None
    profile: Profile | None = None
    environment: Environment
    seconds: Mapping[str, float] = field(default_factory=dict)  # by stage: build, verify, measure, confirm, profile
    held_s: float = 0.0  # of these, how long it had the device; the rest is building, comparing, and waiting for others. 0 in older runs
    reference: str = "reference"  # "reference", or "baseline": what outputs were compared with
    hazards: tuple[Hazard, ...] = ()  # what compute-sanitizer found, of candidates that were about to become the best
    unsanitised: str = ""  # why it could not look
    confirmation: Confirmation | None = None  # None: it did not look faster than the best one

    def __post_init__(self) -> None:
        if self.verdict is Verdict.PASSED:
            if self.measurement is None or self.build is None or not self.build.ok:
                raise ValueError("a passed evaluation has a build and a measurement")
            if any(check.verdict is not Verdict.PASSED for check in self.checks):
                raise ValueError("a passed evaluation has no failed check")
        elif self.profile is not None:
            raise ValueError("only a passed candidate is profiled")
        if self.verdict is Verdict.REJECTED and self.checks:
            raise ValueError("a rejected candidate is not run")

    @property
    def passed(self) -> bool:
        return self.verdict is Verdict.PASSED

    @property
    def time_us(self) -> float | None:
        """The time that counts, in µs; None unless passed."""
        return self.measurement.time_us if self.passed and self.measurement else None
