"""From counters to one named limit. Pure; works from whatever subset of the counters is there, real or emulated alike.

The rules are asked in order of how directly an edit can answer them: waste (uncoalesced access, conflicts, spills) before a busy unit,
a busy unit before too few threads, and latency when nothing is busy at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model import Bottleneck, Build, Metric, Resource

SECTOR = 32  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where a figure becomes a limit. Round figures; those in percent compare with peaks that good kernels reach to 80-93 %."""

    launch_share: float = 0.5  # of the time, taken by launches that do nothing
    sectors_excess: float = 1.5  # sectors a request over what the width of the access needs
    sectors_share: float = 0.2  # of all sectors, that would not be needed
    traffic_excess: float = 1.25  # DRAM bytes over the task's own: below, uncoalesced access was made good by the caches
    dram_saturated: float = 75.0  # percent
    conflict_share: float = 0.25  # of shared-memory cycles
    shared_weight: float = 0.05  # shared-memory cycles for each instruction: below, conflicts do not matter
    spill_bytes: int = 32  # a thread
    busy: float = 60.0  # percent of a unit's peak
    occupancy: float = 40.0  # percent
    waves: float = 0.8  # grids smaller than this share of the GPU leave multiprocessors idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of the kernel that took most of the time. Times in µs, `task_bytes` what the task must move."""

    metrics: Mapping[str, Metric]
    build: Build
    kernel: str = ""
    launches: int = 1  # in one call
    call_us: float | None = None
    launch_us: float = 0.0
    task_bytes: float | None = None
    limits: Thresholds = field(default_factory=Thresholds)

    def get(self, name: str) -> float | None:
        metric = self.metrics.get(name)
        return None if metric is None else metric.value

    def ratio(self, part: str, whole: str) -> float | None:
        above, below = self.get(part), self.get(whole)
        return None if above is None or not below else above / below

    @property
    def dram_bytes(self) -> float | None:
        read, written = self.get("dram__bytes_read.sum"), self.get("dram__bytes_write.sum")
        return None if read is None or written is None else read + written

    @property
    def dram_percent(self) -> float | None:
        return self.get("dram__throughput.avg.pct_of_peak_sustained_elapsed")

    @property
    def spill_bytes(self) -> int:
        """Bytes a thread that the compiler spilled, of the profiled kernel where its name tells which it is."""
        own = [r for r in self.build.resources if r.kernel and r.kernel in self.kernel] or list(self.build.resources)
        return max((r.spill_store_bytes + r.spill_load_bytes for r in own), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Global loads or stores: sectors a request, how many the access width needs at least, and the requests."""

    word: str  # "load" or "store"
    sectors: float
    needed: float
    requests: float

    @property
    def excess(self) -> float:
        """Sectors in all that would not be needed."""
        return (self.sectors - self.needed) * self.requests


def accesses(evidence: Evidence) -> tuple[Access, ...]:
    """Loads and stores, as far as counted, the more wasteful first."""
    found = []
    for word, name, opcode in (("load", "ld", "LDG"), ("store", "st", "STG")):
        requests = f"l1tex__t_requests_pipe_lsu_mem_global_op_{name}.sum"
        sectors = evidence.ratio(f"l1tex__t_sectors_pipe_lsu_mem_global_op_{name}.sum", requests)
        if sectors is not None:
            found.append(Access(word=word, sectors=sectors, needed=_needed(evidence.build, opcode), requests=evidence.get(requests) or 0.0))
    return tuple(sorted(found, key=lambda access: -access.excess))


def _needed(build: Build, opcode: str) -> float:
    """Sectors that a full warp's widest access of that kind needs: 32 threads times its bytes, over 32 bytes a sector. Without machine
    code the width is unknown, and only what no width explains is held against a kernel."""
    if not build.instructions:
        return 16.0
    bits = [int(match[1]) for name in build.instructions if name.startswith(opcode) and (match := re.search(r"\.(64|128)\b", name))]
    return max(bits, default=32) / 8


def bottleneck(evidence: Evidence) -> Bottleneck | None:
    """The limit that the evidence names; None when there are no counters that could."""
    for rule in (_launch, _uncoalesced, _conflicts, _spills, _busy, _occupancy, _latency):
        if (found := rule(evidence)) is not None:
            return found
    return None


def _launch(e: Evidence) -> Bottleneck | None:
    if e.call_us is None or e.launches * e.launch_us < e.limits.launch_share * e.call_us:
        return None
    many = "launch" if e.launches == 1 else "launches"
    text = (
        f"{e.launches} {many} of about {e.launch_us:.1f} µs each make up most of {e.call_us:.1f} µs; fuse kernels, or give each more work"
    )
    return Bottleneck(resource=Resource.LAUNCH, evidence=text)


def _uncoalesced(e: Evidence) -> Bottleneck | None:
    found = accesses(e)
    if not found or found[0].sectors < e.limits.sectors_excess * found[0].needed:
        return None
    worst = found[0]
    if worst.excess < e.limits.sectors_share * sum(access.sectors * access.requests for access in found):
        return None
    excess = e.dram_bytes / e.task_bytes if e.dram_bytes is not None and e.task_bytes else None
    if excess is not None and excess < e.limits.traffic_excess and (e.dram_percent or 0.0) >= e.limits.dram_saturated:
        return None  # the caches gather what the warps scatter, and DRAM is busy with useful bytes alone
    text = (
        f"{worst.sectors:.1f} sectors per global {worst.word} request; {worst.needed:.0f} would do if neighbouring threads took neighbours"
    )
    if excess is not None and excess >= e.limits.traffic_excess:
        text += f"; DRAM moved {excess:.1f} times the bytes of the task"
    return Bottleneck(resource=Resource.UNCOALESCED, evidence=text)


def _conflicts(e: Evidence) -> Bottleneck | None:
    wavefronts = "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"
    share = e.ratio("l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum", wavefronts)
    weight = e.ratio(wavefronts, "smsp__inst_executed.sum")
    if share is None or share < e.limits.conflict_share or (weight is not None and weight < e.limits.shared_weight):
        return None
    text = f"{100 * share:.0f} % of the cycles of shared memory go to bank conflicts; pad or swizzle the array"
    return Bottleneck(resource=Resource.SHARED_CONFLICTS, evidence=text)


def _spills(e: Evidence) -> Bottleneck | None:
    if e.spill_bytes < e.limits.spill_bytes:
        return None
    registers = e.get("launch__registers_per_thread")
    at = "" if registers is None else f" at {registers:.0f} registers"
    return Bottleneck(resource=Resource.SPILLS, evidence=f"each thread spills {e.spill_bytes} bytes to local memory{at}")


def _busy(e: Evidence) -> Bottleneck | None:
    units = (
        (e.dram_percent, Resource.DRAM_BANDWIDTH, "of the device memory's bandwidth is in use"),
        (e.get("lts__throughput.avg.pct_of_peak_sustained_elapsed"), Resource.L2, "of the L2 cache's bandwidth is in use"),
        (e.get("sm__throughput.avg.pct_of_peak_sustained_elapsed"), Resource.COMPUTE, "of the peak of the multiprocessors' busiest unit"),
    )
    percent, resource, words = max(((p or 0.0, r, w) for p, r, w in units), key=lambda unit: unit[0])
    if percent < e.limits.busy:
        return None
    text = f"{percent:.0f} % {words}"
    if resource is Resource.DRAM_BANDWIDTH and e.dram_bytes is not None and e.task_bytes:
        text += f"; it moved {e.dram_bytes / e.task_bytes:.1f} times the bytes of the task"
    return Bottleneck(resource=resource, evidence=text)


def _occupancy(e: Evidence) -> Bottleneck | None:
    active = e.get("sm__warps_active.avg.pct_of_peak_sustained_active")
    waves = e.get("launch__waves_per_multiprocessor")
    if waves is not None and waves < e.limits.waves:
        return Bottleneck(
            resource=Resource.OCCUPANCY, evidence=f"the grid fills {100 * waves:.2g} % of the GPU; more or smaller blocks would"
        )
    if active is None or active >= e.limits.occupancy:
        return None
    figures = (("registers a thread", "launch__registers_per_thread"), ("threads a block", "launch__block_size"))
    known = [f"{value:.0f} {what}" for what, name in figures if (value := e.get(name)) is not None]
    because = f", with {' and '.join(known)}" if known else ""
    return Bottleneck(resource=Resource.OCCUPANCY, evidence=f"only {active:.0f} % of the warps that could be resident are{because}")


def _latency(e: Evidence) -> Bottleneck | None:
    sm, dram = e.get("sm__throughput.avg.pct_of_peak_sustained_elapsed"), e.dram_percent
    if sm is None and dram is None:
        return None
    figures = [f"{name} at {value:.0f} %" for name, value in (("DRAM", dram), ("multiprocessors", sm)) if value is not None]
    text = f"nothing is busy ({', '.join(figures)}): warps wait; more independent loads or work in each thread would help"
    return Bottleneck(resource=Resource.LATENCY, evidence=text)
