"""Short derived figures for tables and prompts, and how much of each resource is in use. Pure."""

from __future__ import annotations

import math

from kernelsearch.diagnose.evidence import SECTOR, WARP, Evidence, accesses
from kernelsearch.diagnose.roofline import Roofline
from kernelsearch.model import Resource

_SHOWN = {
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "DRAM %",
    "lts__throughput.avg.pct_of_peak_sustained_elapsed": "L2 %",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "SM %",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy %",
    "launch__registers_per_thread": "registers",
}


def facts(evidence: Evidence, speed_of_light: float | None, ideal: Roofline | None = None) -> dict[str, str]:
    """A name ending in % says that the number is one."""
    found = {}
    if speed_of_light is not None:
        found["speed of light %"] = f"{speed_of_light:.0f}" if speed_of_light >= 10 else f"{speed_of_light:.2g}"
    if ideal is not None and ideal.position:
        found["roofline"] = ideal.position
    for access in accesses(evidence):
        found[f"sectors/request ({access.word})"] = f"{access.sectors:.1f}"
    found.update((label, f"{value:.0f}") for name, label in _SHOWN.items() if (value := evidence.get(name)) is not None)
    if evidence.conflict_share is not None:
        found["bank conflicts %"] = f"{100 * evidence.conflict_share:.0f}"
    if evidence.active_lanes is not None:
        found["active lanes"] = f"{evidence.active_lanes:.1f}"
    for reason, label in (("long_scoreboard", "waiting for loads %"), ("barrier", "waiting at barriers %")):
        if (share := evidence.stalled(reason)) is not None:
            found[label] = f"{100 * share:.0f}"
    if evidence.dram_bytes is not None and evidence.task_bytes:
        found["DRAM bytes / task bytes"] = f"{evidence.dram_bytes / evidence.task_bytes:.2f}"
    if evidence.task_bytes and (touched := sum(a.sectors * a.requests * SECTOR for a in accesses(evidence))):
        found["bytes accessed / task bytes"] = f"{touched / evidence.task_bytes:.1f}"
    if evidence.build.resources:
        found["spilled bytes"] = f"{evidence.spill_bytes}"
    return found


def shares(evidence: Evidence) -> dict[str, float]:
    """By `Resource.value`, percent of what the resource could give that is in use; see `Profile.shares`."""
    found = {
        Resource.DRAM_BANDWIDTH: evidence.dram_percent,
        Resource.L2: evidence.l2_percent,
        Resource.COMPUTE: max((p for p in (evidence.sm_percent, evidence.l1_percent) if p is not None), default=None),
        Resource.OCCUPANCY: evidence.occupancy,
        Resource.TENSOR_IDLE: None if evidence.matrix_gain is None else evidence.tensor_percent,
        Resource.UNCOALESCED: _coalesced(evidence),
        Resource.SHARED_CONFLICTS: _unlost(evidence.conflict_share),
        Resource.BARRIER: _unlost(evidence.stalled("barrier")),
        Resource.LATENCY: _unlost(evidence.stalled("long_scoreboard")),
        Resource.ATOMICS: _unlost(evidence.atomic_share),
        Resource.DIVERGENCE: None if evidence.active_lanes is None else 100.0 * evidence.active_lanes / WARP,
        Resource.TAIL: None if not evidence.waves else 100.0 * evidence.waves / math.ceil(evidence.waves),
        Resource.LAUNCH: None if not evidence.call_us else 100.0 - 100.0 * evidence.launch_overhead_us / evidence.call_us,
    }
    return {resource.value: min(100.0, max(0.0, share)) for resource, share in found.items() if share is not None}


def _unlost(share: float | None) -> float | None:
    return None if share is None else 100.0 * (1.0 - share)


def _coalesced(evidence: Evidence) -> float | None:
    """Of all sectors of global memory, those that well-ordered accesses would need too."""
    found = accesses(evidence)
    touched = sum(access.sectors * access.requests for access in found)
    return 100.0 * sum(min(access.needed, access.sectors) * access.requests for access in found) / touched if touched else None
