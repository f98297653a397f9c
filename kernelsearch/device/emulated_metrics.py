"""What the emulated device counted and modelled, under the names and units of Nsight Compute.

Only names whose meaning carries over are given. Exact within the sampled blocks: requests, sectors, wavefronts, conflicts, atomics,
lanes at work. Estimated by the time model: instructions, cache and DRAM traffic, durations and the throughputs derived from them. How
long warps wait at barriers follows from how unequal their work is: those that have done theirs wait for the one with most. The tensor
pipe is idle for certain, as this device runs nothing that would use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.device.model import SECTOR, WARP, LaunchCounts, ModelledTime
from kernelsearch.model import Hardware, KernelResources, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything known of one launch."""

    launch: LaunchCounts
    time: ModelledTime
    hardware: Hardware
    resources: KernelResources | None


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _percent_of_peak(*terms: str) -> Callable[[Evidence], float]:
    return lambda e: min(100.0, 100.0 * _ratio(sum(e.time.terms[term] for term in terms), e.time.us))


def _count(*names: str) -> Callable[[Evidence], float]:
    return lambda e: e.launch.get(*names)


def _per_request(kind: str) -> Callable[[Evidence], float]:
    return lambda e: _ratio(e.launch.get(f"global_{kind}_sectors"), e.launch.get(f"global_{kind}_requests"))


def _on_average(*terms: str) -> Callable[[Evidence], float]:
    """Percent of the peak of all multiprocessors, where the terms are the time of the fullest one."""
    return lambda e: min(100.0, 100.0 * _even(e) * _ratio(max(e.time.terms[term] for term in terms), e.time.us))


def _even(e: Evidence) -> float:
    """The average multiprocessor's share of the blocks, over that of the fullest."""
    per_sm = e.launch.blocks / e.hardware.sm_count
    return per_sm / math.ceil(per_sm)


def _warp_cycles(e: Evidence) -> float:
    """Cycles of a warp for each of its instructions: warps that are there, over instructions a cycle."""
    resident = min(float(e.launch.warps), e.time.occupancy.fraction * e.hardware.threads_per_sm / WARP * e.hardware.sm_count)
    return _ratio(resident * e.time.us * 1e-6 * e.hardware.clock_hz, e.time.instructions)


def _at_barriers(e: Evidence) -> float:
    """Of these, waiting: the longest warp's share of work that the average warp does not have."""
    if not e.launch.get("barriers"):
        return 0.0
    mean = _ratio(e.launch.get("warp_blocks"), e.launch.warps)
    return _warp_cycles(e) * max(0.0, 1.0 - _ratio(mean, e.launch.get("longest_warp_blocks")))


def _compiled(field: str) -> Callable[[Evidence], float | None]:
    return lambda e: None if e.resources is None else float(getattr(e.resources, field))


def _l1_hits(e: Evidence) -> float:
    """Load sectors found in L1, in percent; stores and atomics pass through."""
    below = e.time.l2_bytes / SECTOR - e.launch.get("global_store_sectors") - 2 * e.launch.get("global_atomic_sectors")
    return 100.0 * (1.0 - min(1.0, _ratio(below, e.launch.get("global_load_sectors")))) if e.launch.get("global_load_sectors") else 0.0


_METRICS: Mapping[str, tuple[str, Callable[[Evidence], float | None]]] = {
    "gpu__time_duration.sum": ("ns", lambda e: 1000.0 * e.time.us),
    "sm__cycles_elapsed.max": ("cycle", lambda e: e.time.us * 1e-6 * e.hardware.clock_hz),
    "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum": ("request", _count("global_load_requests")),
    "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum": ("request", _count("global_store_requests")),
    "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": ("sector", _count("global_load_sectors")),
    "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum": ("sector", _count("global_store_sectors")),
    "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_ld.ratio": ("sector/request", _per_request("load")),
    "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_st.ratio": ("sector/request", _per_request("store")),
    # Whether an atomic's result is used does not show here: all are counted as if it were.
    "l1tex__t_requests_pipe_lsu_mem_global_op_atom.sum": ("request", _count("global_atomic_requests")),
    "l1tex__t_sectors_pipe_lsu_mem_global_op_atom.sum": ("sector", _count("global_atomic_sectors")),
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum": ("", _count("shared_load_conflicts", "shared_store_conflicts")),
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum": ("", _count("shared_load_conflicts")),
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum": ("", _count("shared_store_conflicts")),
    "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum": ("", _count("shared_load_wavefronts", "shared_store_wavefronts")),
    "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum": ("", _count("shared_load_wavefronts")),
    "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum": ("", _count("shared_store_wavefronts")),
    "l1tex__t_sector_hit_rate.pct": ("%", _l1_hits),
    "lts__t_sectors.sum": ("sector", lambda e: e.time.l2_bytes / SECTOR),
    "lts__t_sector_hit_rate.pct": ("%", lambda e: 100.0 * (1.0 - min(1.0, _ratio(_dram_bytes(e), e.time.l2_bytes)))),
    "dram__bytes_read.sum": ("byte", lambda e: e.time.dram_read_bytes),
    "dram__bytes_write.sum": ("byte", lambda e: e.time.dram_write_bytes),
    "dram__bytes.sum": ("byte", lambda e: _dram_bytes(e)),
    "dram__bytes.sum.per_second": ("byte/s", lambda e: _ratio(_dram_bytes(e) * 1e6, e.time.us)),
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": (
        "%",
        lambda e: 100.0 * min(1.0, _ratio(_dram_bytes(e) * 1e6, e.time.us * e.hardware.dram_bytes_per_s)),
    ),
    "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed": (
        "%",
        lambda e: 100.0 * min(1.0, _ratio(_dram_bytes(e) * 1e6, e.time.us * e.hardware.dram_bytes_per_s)),
    ),
    "lts__t_sectors.avg.pct_of_peak_sustained_elapsed": ("%", _percent_of_peak("l2")),
    "lts__throughput.avg.pct_of_peak_sustained_elapsed": ("%", _percent_of_peak("l2")),
    "l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed": ("%", _on_average("l1 and shared")),
    "l1tex__throughput.avg.pct_of_peak_sustained_elapsed": ("%", _percent_of_peak("l1 and shared")),
    "l1tex__throughput.avg.pct_of_peak_sustained_active": ("%", _percent_of_peak("l1 and shared")),
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": ("%", _on_average("issue", "fp64", "l1 and shared")),
    "smsp__issue_active.avg.pct_of_peak_sustained_active": ("%", _percent_of_peak("issue")),
    "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active": ("%", lambda e: 0.0),
    "smsp__average_warp_latency_per_inst_issued.ratio": ("cycle", _warp_cycles),
    "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio": ("inst", _at_barriers),
    "smsp__inst_executed.sum": ("inst", lambda e: e.time.instructions),
    "sm__inst_executed.sum": ("inst", lambda e: e.time.instructions),
    "smsp__thread_inst_executed_per_inst_executed.ratio": (
        "",
        lambda e: min(float(WARP), _ratio(e.launch.get("thread_blocks"), e.launch.get("warp_blocks"))),
    ),
    "sm__warps_active.avg.pct_of_peak_sustained_active": ("%", lambda e: 100.0 * _active(e)),
    "sm__maximum_warps_per_active_cycle_pct": ("%", lambda e: 100.0 * e.time.occupancy.fraction),
    "launch__occupancy_limit_registers": ("block", lambda e: float(e.time.occupancy.registers)),
    "launch__occupancy_limit_shared_mem": ("block", lambda e: float(e.time.occupancy.shared)),
    "launch__occupancy_limit_warps": ("block", lambda e: float(e.time.occupancy.warps)),
    "launch__occupancy_limit_blocks": ("block", lambda e: float(e.time.occupancy.blocks)),
    "launch__registers_per_thread": ("register/thread", _compiled("registers")),
    "launch__grid_size": ("", lambda e: float(e.launch.blocks)),
    "launch__block_size": ("", lambda e: float(e.launch.threads_per_block)),
    "launch__thread_count": ("thread", lambda e: float(e.launch.blocks * e.launch.threads_per_block)),
    "launch__waves_per_multiprocessor": ("", lambda e: e.launch.blocks / (e.time.occupancy.resident * e.hardware.sm_count)),
    "launch__shared_mem_per_block_dynamic": ("byte/block", lambda e: float(e.launch.shared)),
    "launch__shared_mem_per_block_static": ("byte/block", _count("static_shared_bytes")),
}


def _dram_bytes(e: Evidence) -> float:
    return e.time.dram_read_bytes + e.time.dram_write_bytes


def _active(e: Evidence) -> float:
    """Resident warps over the maximum: what fits, or less where the grid does not fill the SMs."""
    per_sm = e.launch.blocks / e.hardware.sm_count
    return e.time.occupancy.fraction * min(1.0, per_sm / e.time.occupancy.resident)


def metrics(evidence: Evidence, wanted: Sequence[str]) -> dict[str, Metric]:
    """The metrics of `wanted` that the emulated device knows; the others are left out."""
    found = {}
    for name in wanted:
        if name in _METRICS:
            unit, value = _METRICS[name]
            if (figure := value(evidence)) is not None:
                found[name] = Metric(value=figure, unit=unit)
    return found
