"""All that is known of the kernel that took most of the time, and the figures that rules, shares and facts draw from it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch import catalog
from kernelsearch.model import Build, Metric, Thresholds

SECTOR = 32  # bytes
WARP = 32
_STALLED = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
_LATENCY = "smsp__average_warp_latency_per_inst_issued.ratio"
_TENSOR = ("HMMA", "HGMMA", "IMMA", "IGMMA", "QMMA", "QGMMA", "OMMA", "DMMA", "BMMA", "BGMMA", "UTC")  # opcodes of the tensor pipe begin so
_WAVEFRONTS = "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"
_CONFLICTS = "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"
_ATOMICS = tuple(f"l1tex__t_requests_pipe_lsu_mem_global_op_{op}.sum" for op in ("red", "atom"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Times in µs. `task_bytes` is what the task must move; `matrix_gain` how many times as fast its products would run on tensor cores
    as on the plain pipes, at best, None where it has none. `launches` are those of one call, each taking `launch_us` before it begins;
    `kernels_us` is how long their kernels ran in all, where all of them were profiled.
    """

    metrics: Mapping[str, Metric]
    build: Build
    kernel: str = ""
    launches: int = 1
    call_us: float | None = None
    launch_us: float = 0.0
    kernels_us: float | None = None
    task_bytes: float | None = None
    matrix_gain: float | None = None
    limits: Thresholds = field(default_factory=catalog.thresholds)

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
    def l2_percent(self) -> float | None:
        return self.get("lts__throughput.avg.pct_of_peak_sustained_elapsed")

    @property
    def sm_percent(self) -> float | None:
        return self.get("sm__throughput.avg.pct_of_peak_sustained_elapsed")

    @property
    def launch_overhead_us(self) -> float:
        """Of a call: what launches take at least, or what several leave between their kernels, if that is more.

        With a single one the difference is as small as what a profiler's clocks and caches change.
        """
        between = 0.0 if self.call_us is None or self.kernels_us is None or self.launches < 2 else self.call_us - self.kernels_us
        return max(self.launches * self.launch_us, between)

    def idle(self, *percents: float | None) -> bool:
        """None of these units is busy; what is not known counts as idle."""
        return all(percent is None or percent < self.limits.busy for percent in percents)

    @property
    def dram_is_full_of_useful_bytes(self) -> bool:
        """DRAM is saturated with hardly more than the task has to move: what the kernel wastes elsewhere costs nothing."""
        if self.dram_bytes is None or not self.task_bytes or (self.dram_percent or 0.0) < self.limits.dram_saturated:
            return False
        return self.dram_bytes < self.limits.traffic_excess * self.task_bytes

    @property
    def spill_bytes(self) -> int:
        """Bytes a thread that the compiler spilled, of the profiled kernel where its name tells which it is."""
        own = [r for r in self.build.resources if r.kernel and r.kernel in self.kernel] or list(self.build.resources)
        return max((r.spill_store_bytes + r.spill_load_bytes for r in own), default=0)

    def stalled(self, reason: str) -> float | None:
        """The share of a warp's time that it waits for `reason`, in Nsight Compute's word."""
        return self.ratio(_STALLED.format(reason), _LATENCY)

    @property
    def conflict_share(self) -> float | None:
        """Of the cycles of shared memory, those that bank conflicts cost."""
        return self.ratio(_CONFLICTS, _WAVEFRONTS)

    @property
    def shared_weight(self) -> float | None:
        """Cycles of shared memory for each instruction."""
        return self.ratio(_WAVEFRONTS, "smsp__inst_executed.sum")

    @property
    def active_lanes(self) -> float | None:
        """Of 32, on average over the warp instructions."""
        return self.get("smsp__thread_inst_executed_per_inst_executed.ratio")

    @property
    def atomics(self) -> float | None:
        """Atomic requests to global memory, with and without a result."""
        known = [value for name in _ATOMICS if (value := self.get(name)) is not None]
        return sum(known) if known else None

    @property
    def atomic_share(self) -> float | None:
        """Of all requests to global memory."""
        if self.atomics is None:
            return None
        every = self.atomics + sum(access.requests for access in accesses(self))
        return self.atomics / every if every else 0.0

    @property
    def tensor_percent(self) -> float | None:
        """Use of the tensor pipe. Without a counter the machine code tells where it is none; a library's kernels are not in that."""
        counted = self.get("sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active")
        if counted is None and self.build.instructions:
            return None if any(name.startswith(_TENSOR) for name in self.build.instructions) else 0.0
        return counted

    @property
    def l1_percent(self) -> float | None:
        """Use of the data path of L1 and shared memory, which the multiprocessors' own figure leaves out."""
        path = self.get("l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed")
        return self.get("l1tex__throughput.avg.pct_of_peak_sustained_active") if path is None else path

    @property
    def local_share(self) -> float | None:
        """Loads from local memory, where spilled registers lie, among all instructions."""
        return self.ratio("l1tex__t_requests_pipe_lsu_mem_local_op_ld.sum", "smsp__inst_executed.sum")

    @property
    def waves(self) -> float | None:
        return self.get("launch__waves_per_multiprocessor")

    @property
    def occupancy(self) -> float | None:
        return self.get("sm__warps_active.avg.pct_of_peak_sustained_active")


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
