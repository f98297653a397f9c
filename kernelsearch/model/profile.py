"""Hardware evidence about one candidate: counters by their Nsight Compute names, and what they say.

The emulated device fills the same names where it can; `kind` tells which of the two it was.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.measurement import TimeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A counter's value in base units (byte, not Mbyte), and that unit as Nsight Compute spells it."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSet:
    """Counters that are collected together. `metrics` maps Nsight Compute names to what they tell a reader."""

    name: str
    metrics: Mapping[str, str]


class Resource(enum.Enum):
    """What a kernel can be bound by, as a person and a model call it."""

    DRAM_BANDWIDTH = "memory bandwidth"
    UNCOALESCED = "uncoalesced access"
    SHARED_CONFLICTS = "shared-memory bank conflicts"
    L2 = "L2 bandwidth"
    COMPUTE = "compute throughput"
    OCCUPANCY = "occupancy"
    LATENCY = "memory latency"
    SPILLS = "register spills"
    LAUNCH = "launch overhead"
    TENSOR_IDLE = "tensor pipe idle"
    BARRIER = "barrier stalls"
    DIVERGENCE = "divergence"
    TAIL = "tail effect"
    ATOMICS = "atomic contention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """One named limit with the evidence for it, in a sentence with numbers."""

    resource: Resource
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where a figure becomes a limit: profiles/diagnosis/thresholds.toml has the numbers, each with its reason. Shares lie in 0..1."""

    launch_share: float
    sectors_excess: float
    sectors_share: float
    traffic_excess: float
    dram_saturated: float  # percent
    conflict_share: float
    shared_weight: float
    spill_bytes: float  # a thread
    spill_share: float
    active_lanes: float  # of 32
    tensor_gain: float  # times as fast
    tensor_idle: float  # percent
    atomic_share: float
    busy: float  # percent
    barrier_share: float
    tail_idle: float
    tail_waves: float
    waves: float
    occupancy: float  # percent
    memory_wait: float


# What a warp waits for, by the profiler's short names of a source page.
_STALLS = {
    "barrier": "the others of its block at a barrier",
    "branch_resolving": "the target of a branch",
    "dispatch": "the dispatcher",
    "drain": "its stores to be written at the end",
    "gmma": "products of a warp group",
    "imc": "a constant that was not cached",
    "lg": "room in the queue of global and local memory",
    "long_sb": "data from global or local memory",
    "math": "a busy arithmetic pipe",
    "membar": "a memory fence",
    "mio": "room in the queue of shared memory",
    "no_inst": "its instructions to be fetched",
    "not_selected": "its turn: it was ready",
    "short_sb": "data from shared memory or a special function",
    "sleep": "the end of a sleep",
    "tex": "room in the queue of textures",
    "wait": "a fixed latency",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HotLine:
    """A place in the kernel where many samples were taken. `line` is that of the source, 0 where it is not known."""

    line: int
    opcode: str  # of the instruction there with most samples: "LDG.E.128"
    share: float  # of all samples of the kernel, 0..1
    stall: str  # the commonest reason not to go on, as the profiler spells it: "long_sb"

    @property
    def waits_for(self) -> str:
        """The reason in words; as the profiler spells it where we have none."""
        return _STALLS.get(self.stall, self.stall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Counters of the kernel that took most of the time in one timed call.

    `shares` says, by `Resource.value`, how much of what a resource could give is in use, in percent: bandwidth of its peak, coalesced
    sectors of all sectors, lanes of 32. At 100 nothing is to be had there any more. What is not known is left out.
    """

    kind: TimeKind
    metric_set: str
    kernel: str
    metrics: Mapping[str, Metric]
    bottleneck: Bottleneck | None = None
    notes: tuple[str, ...] = ()  # what is missing, and why
    facts: Mapping[str, str] = field(default_factory=dict)  # short derived figures for tables: "sectors/request" -> "18.5"
    shares: Mapping[str, float] = field(default_factory=dict)
    hot: tuple[HotLine, ...] = ()  # most samples first
    report: str = ""  # digest of the profiler's own file, where that was kept: profiles/DIGEST.ncu-rep in the run's folder

    def value(self, name: str) -> float | None:
        """The counter's value, or None when it was not collected."""
        metric = self.metrics.get(name)
        return None if metric is None else metric.value
