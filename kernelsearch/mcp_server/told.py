"""What the tools give back as structured content. Times are in µs and of the kind that `time_kind` names; ratios are over the task's own
kernel. The text beside it (`text`) says the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

_CONFIG: Mapping[str, object] = {"use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thing that was tried on a task."""

    solver: str
    expected: str
    ok: bool
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChecked:
    """A task, and whether it is fit to judge by."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    task: str
    file: str | None
    """The task file, where it is one of yours."""
    drafted: bool
    """The task file was written just now."""
    assumed: tuple[str, ...]
    """What the draft took for likely; correct it in the file."""
    questions: tuple[str, ...]
    """What must be answered in the file before anything can be judged."""
    admitted: bool | None
    """null while there are questions."""
    faults: tuple[Trial, ...]
    tried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One call whose outputs were compared. `error` is over the tolerance: above 1 is wrong."""

    case: str
    inputs: str
    verdict: str
    error: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLine:
    """What the compiler reported of one kernel."""

    kernel: str
    registers: int
    spilled_bytes: int
    shared_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HotSpot:
    """A line of the source where much of the time is spent. `share` is of all samples, 0 to 1."""

    line: int
    opcode: str
    share: float
    stall: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One kernel, judged."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    verdict: str | None
    """passed, rejected, build failed, crashed, timed out, wrong, nondeterministic, implausible, cheated, hazard or unsupported; null where
    nothing failed and it was not timed."""
    passed: bool
    """It is right on all inputs and was timed."""
    stage: str
    """The last stage that was reached."""
    meaning: str
    detail: str
    """The first reason for a failure: a compiler error, the worst element, a forbidden construct."""
    device: str
    time_kind: Literal["measured", "modelled"]
    time_us: float | None
    speedup: float | None
    """Over the task's own kernel, from pairs. null where times are modelled: compare time_us of two evaluations then."""
    interval: tuple[float, float] | None
    """Of the speed-up, at 99 %. Faster is what lies above 1 as a whole."""
    bottleneck: str | None
    evidence: str
    figures: Mapping[str, str]
    """Derived from counters."""
    hot: tuple[HotSpot, ...]
    checks_passed: int
    checks_failed: tuple[CheckLine, ...]
    kernels: tuple[KernelLine, ...]
    findings: tuple[str, ...]
    """What the guard noticed in source and binary."""
    assumed: tuple[str, ...]
    """What the task took for likely when it was drafted."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A directive of the playbook. `promise` is from 0 to 1: what is expected of it before it was tried."""

    name: str
    title: str
    does: str
    relieves: tuple[str, ...]
    reason: str
    """Why it fits."""
    promise: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the playbook has."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    bottleneck: str | None
    evidence: str
    profiled: bool
    """That very kernel was profiled; else little more than its source is known."""
    ways: tuple[Way, ...]
    """The most promising first."""
    unfit: Mapping[str, str]
    """Directives that do not fit, with the reason."""
    example: str
    """Of the one that was named; and what follows too."""
    when: str
    mind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """One attempt of a search. Number 0 is the kernel that it began with."""

    number: int
    parent: int | None
    edit: str
    status: str
    time_us: float | None
    speedup: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchState:
    """How a search stands."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    run: str
    """Name or folder, as the other tools take it."""
    state: Literal["starting", "running", "stopping", "ended", "failed", "recorded"]
    """recorded: this server did not start it, so only what is on disk is known."""
    said: str
    """Why it ended, or what went wrong."""
    device: str
    time_kind: str
    candidates: int
    limit: int | None
    usd: float
    seconds: float
    baseline_us: float | None
    best: int | None
    """Number of the fastest that was shown to be so; 0 while nothing beat the first."""
    best_us: float | None
    speedup: float | None
    interval: tuple[float, float] | None
    best_file: str | None
    """The winning kernel, once the search is over and something won."""
    report: str | None
    nodes: tuple[NodeLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermLine:
    """A term of a reward, and what it adds."""

    term: str
    raw: float
    weight: float
    adds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvidence:
    """One attempt of a run with all that is known of it."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = _CONFIG
    run: str
    number: int
    parent: int | None
    title: str
    judged: Judged | None
    """null where the attempt gave no kernel, or one that was judged before."""
    lines: Mapping[str, str]
    """Time, floor, limit, edit, changes and checks, in words."""
    reward: float | None
    gate: str | None
    """The verdict that set the reward, of one that did not pass."""
    terms: tuple[TermLine, ...]
    flags: tuple[str, ...]
    difference: str
    """To the parent's source, as a unified diff."""
    source: str | None
