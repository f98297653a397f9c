"""Terms of hardware: proxies that tell of a limit removed before the time shows it. Without counters they are nothing, and say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from kernelsearch.model import Evaluation, Resource
from kernelsearch.score.runtime import UNKNOWN

_WARP = 32.0
_LAUNCHES = "derived__launches"  # of one call, as `diagnose` records it
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MOST = 4.0  # of a log2: a counter near 0 must not outweigh the time


def value(evaluation: Evaluation, *names: str) -> float | None:
    """The first of the counters that was collected."""
    found = [] if evaluation.profile is None else [evaluation.profile.value(name) for name in names]
    return next((figure for figure in found if figure is not None and math.isfinite(figure)), None)


def total(evaluation: Evaluation, *names: str) -> float | None:
    """The sum of the counters over a call; None unless all were collected.

    The counters are of the launch that takes most of the time. Where a call makes others they are not of the whole call, and a kernel
    that was cut in two would seem to move half the bytes.
    """
    if (value(evaluation, _LAUNCHES) or 1.0) > 1.0:
        return None
    known = [figure for name in names if (figure := value(evaluation, name)) is not None]
    return math.fsum(known) if len(known) == len(names) else None


def dram_bytes(evaluation: Evaluation) -> float | None:
    both = total(evaluation, "dram__bytes_read.sum", "dram__bytes_write.sum")
    return total(evaluation, "dram__bytes.sum") if both is None else both


def traffic(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    return _fewer(dram_bytes(own), dram_bytes(base), "bytes through DRAM")


def coalescing(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    return _fewer(_sectors(own), _sectors(base), "global sectors")


def instructions(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    return _fewer(_executed(own), _executed(base), "instructions")


def code_size(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    return _fewer(_static(own), _static(base), "static instructions")


def conflicts(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    """A kernel without shared memory loses no cycles of it."""
    return _share(_conflict_share(base), _conflict_share(own), "of shared-memory cycles", better=-1.0)


def occupancy(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    """As counted, or where one of the two was not, as what fits; an estimate is never held against a count."""
    for name in ("sm__warps_active.avg.pct_of_peak_sustained_active", "derived__warps_at_most.pct"):
        found = _share(_percent(base, name), _percent(own, name), "of warps resident")
        if found[1] != UNKNOWN:
            return found
    return 0.0, UNKNOWN


def divergence(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    return _share(_together(base), _together(own), "of a warp at work")


def barrier(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    return _share(_waiting(base), _waiting(own), "of a warp's time at barriers", better=-1.0)


def _tensor(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    names = (
        "sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active",
        "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active",
    )
    return _share(_percent(base, *names), _percent(own, *names), "of the tensor pipe's peak")


def _unspilled(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    ours, theirs = spilled(own), spilled(base)
    if ours is None or theirs is None:
        return 0.0, UNKNOWN
    return (theirs - ours) / max(ours, theirs, 1), f"{theirs} -> {ours} bytes a thread spilled"


# What shows that a limit was eased. Latency is hidden by more warps; where nothing counts what a limit costs it has no proxy.
_RELIEF: Mapping[Resource, Callable[[Evaluation, Evaluation], tuple[float, str]]] = {
    Resource.DRAM_BANDWIDTH: traffic,
    Resource.UNCOALESCED: coalescing,
    Resource.L2: coalescing,
    Resource.SHARED_CONFLICTS: conflicts,
    Resource.COMPUTE: instructions,
    Resource.OCCUPANCY: occupancy,
    Resource.LATENCY: occupancy,
    Resource.SPILLS: _unspilled,
    Resource.BARRIER: barrier,
    Resource.DIVERGENCE: divergence,
    Resource.TENSOR_IDLE: _tensor,
}


def relief(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    """Of the one bottleneck that the baseline was diagnosed with: a value of a node must not depend on the way that led to it."""
    found = None if base.profile is None else base.profile.bottleneck
    if found is None or found.resource not in _RELIEF:
        return 0.0, UNKNOWN
    raw, note = _RELIEF[found.resource](own, base)
    return raw, note if note == UNKNOWN else f"{found.resource.value}: {note}"


def spilled(evaluation: Evaluation) -> int | None:
    """Bytes a thread, of the kernel that spills most."""
    if evaluation.build is None or not evaluation.build.resources:
        return None
    return max(kernel.spill_store_bytes + kernel.spill_load_bytes for kernel in evaluation.build.resources)


def _fewer(ours: float | None, theirs: float | None, what: str) -> tuple[float, str]:
    """How many times fewer, as log2."""
    if ours is None or theirs is None or ours <= 0 or theirs <= 0:
        return 0.0, UNKNOWN
    return max(-_MOST, min(_MOST, math.log2(theirs / ours))), f"{short(theirs)} -> {short(ours)} {what}"


def short(count: float) -> str:
    """A large count with a decimal prefix: 183M."""
    size, prefix = next(((size, prefix) for size, prefix in _PREFIXES if count >= size), (1.0, ""))
    return f"{count / size:.3g}{prefix}"


def _share(before: float | None, after: float | None, what: str, better: float = 1.0) -> tuple[float, str]:
    if before is None or after is None:
        return 0.0, UNKNOWN
    return better * (after - before), f"{100 * before:.0f} % -> {100 * after:.0f} % {what}"


def _percent(evaluation: Evaluation, *names: str) -> float | None:
    found = value(evaluation, *names)
    return None if found is None else found / 100.0


def _sectors(evaluation: Evaluation) -> float | None:
    return total(evaluation, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum")


def _executed(evaluation: Evaluation) -> float | None:
    first = total(evaluation, "smsp__inst_executed.sum")
    return total(evaluation, "sm__inst_executed.sum") if first is None else first


def _static(evaluation: Evaluation) -> float | None:
    return float(sum(evaluation.build.instructions.values())) if evaluation.build is not None else None


def _conflict_share(evaluation: Evaluation) -> float | None:
    lost = value(evaluation, "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum")
    cycles = value(evaluation, "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum")
    if lost is None or cycles is None:
        return None
    return min(1.0, lost / cycles) if cycles else 0.0


def _waiting(evaluation: Evaluation) -> float | None:
    """The share of a warp's time that it waits at barriers: of the cycles between two of its instructions, or as older sets count it."""
    waits = value(evaluation, "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio")
    every = value(evaluation, "smsp__average_warp_latency_per_inst_issued.ratio")
    if waits is None or not every:
        return _percent(evaluation, "smsp__warp_issue_stalled_barrier_per_warp_active.pct")
    return min(1.0, waits / every)


def _together(evaluation: Evaluation) -> float | None:
    """Threads that take part in the average instruction, of the 32 of a warp."""
    threads = value(evaluation, "smsp__thread_inst_executed_per_inst_executed.ratio")
    return None if threads is None else threads / _WARP
