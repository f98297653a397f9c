"""From counters to one named limit. Pure; works from whatever subset of the counters is there, real, emulated or estimated alike.

The rules are asked in order of how directly an edit can answer them. Time between kernels first, since nothing inside one matters then.
Then waste: scattered accesses, conflicts, spills, lanes without work, products on the wrong pipe, atomics in a queue. These also make a
unit busy, and naming the unit would hide the cause. Then a busy unit. When none is, warps wait: for each other, for the end of a last
wave, for want of more warps, or, when all that is well, for memory. profiles/diagnosis/thresholds.toml has the figures and their reasons.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from kernelsearch.diagnose.evidence import WARP, Evidence, accesses
from kernelsearch.model import Bottleneck, Resource

_Rule = Callable[[Evidence], Bottleneck | None]


def bottleneck(evidence: Evidence) -> Bottleneck | None:
    """The limit that the evidence names; None when there are no counters that could."""
    return _first(evidence, (*_WASTE, _busy, _barrier, _tail, _grid, _occupancy, _latency))


def estimated(evidence: Evidence) -> Bottleneck | None:
    """The same from estimates, which show what a kernel reaches at least and never that nothing is busy: by those rules alone that ask
    for something that is there."""
    found = _first(evidence, (_launch, _spills, _tensor, _busy, _tail, _grid, _occupancy))
    return None if found is None else Bottleneck(resource=found.resource, evidence=f"{found.evidence} (an estimate: no counters)")


def _first(evidence: Evidence, rules: tuple[_Rule, ...]) -> Bottleneck | None:
    return next((found for rule in rules if (found := rule(evidence)) is not None), None)


def _launch(e: Evidence) -> Bottleneck | None:
    if e.call_us is None or (overhead := e.launch_overhead_us) < e.limits.launch_share * e.call_us:
        return None
    who, what = ("1 launch takes", "its kernel") if e.launches == 1 else (f"{e.launches} launches take", "their kernels")
    text = f"{who} about {overhead:.1f} of {e.call_us:.1f} µs beside {what}; fuse kernels, or give each more work"
    return Bottleneck(resource=Resource.LAUNCH, evidence=text)


def _uncoalesced(e: Evidence) -> Bottleneck | None:
    found = accesses(e)
    if not found or found[0].sectors < e.limits.sectors_excess * found[0].needed:
        return None
    worst = found[0]
    if worst.excess < e.limits.sectors_share * sum(access.sectors * access.requests for access in found):
        return None
    if e.dram_is_full_of_useful_bytes:
        return None  # the caches gather what the warps scatter
    text = (
        f"{worst.sectors:.1f} sectors per global {worst.word} request; {worst.needed:.0f} would do if neighbouring threads took neighbours"
    )
    excess = e.dram_bytes / e.task_bytes if e.dram_bytes is not None and e.task_bytes else None
    if excess is not None and excess >= e.limits.traffic_excess:
        text += f"; DRAM moved {excess:.1f} times the bytes of the task"
    return Bottleneck(resource=Resource.UNCOALESCED, evidence=text)


def _conflicts(e: Evidence) -> Bottleneck | None:
    share, weight = e.conflict_share, e.shared_weight
    if share is None or share < e.limits.conflict_share or (weight is not None and weight < e.limits.shared_weight):
        return None
    if e.dram_is_full_of_useful_bytes:
        return None
    text = f"{100 * share:.0f} % of the cycles of shared memory go to bank conflicts; pad or swizzle the array"
    return Bottleneck(resource=Resource.SHARED_CONFLICTS, evidence=text)


def _spills(e: Evidence) -> Bottleneck | None:
    if e.spill_bytes < e.limits.spill_bytes or e.dram_is_full_of_useful_bytes:
        return None
    if e.local_share is not None and e.local_share < e.limits.spill_share:
        return None  # in code that hardly runs
    registers = e.get("launch__registers_per_thread")
    at = "" if registers is None else f" at {registers:.0f} registers"
    return Bottleneck(resource=Resource.SPILLS, evidence=f"each thread spills {e.spill_bytes} bytes to local memory{at}")


def _divergence(e: Evidence) -> Bottleneck | None:
    lanes, block = e.active_lanes, e.get("launch__block_size")
    if lanes is None or lanes > e.limits.active_lanes or not e.idle(e.dram_percent, e.l2_percent):
        return None
    if block is not None and block < WARP:
        return None  # lanes that were never there: a matter of the block's size
    text = (
        f"only {lanes:.1f} of {WARP} lanes work in the average instruction; let the threads of a warp take the same path, "
        "or give the lanes that wait a share of the work"
    )
    return Bottleneck(resource=Resource.DIVERGENCE, evidence=text)


def _tensor(e: Evidence) -> Bottleneck | None:
    gain, used = e.matrix_gain, e.tensor_percent
    if gain is None or gain < e.limits.tensor_gain or used is None or used >= e.limits.tensor_idle:
        return None
    if not e.idle(e.dram_percent, e.l2_percent):
        return None
    text = f"the tensor pipe does nothing while plain pipes form the products; on it they could take {gain:.1f} times less time"
    return Bottleneck(resource=Resource.TENSOR_IDLE, evidence=text)


def _atomics(e: Evidence) -> Bottleneck | None:
    share = e.atomic_share
    if share is None or share < e.limits.atomic_share or not e.idle(e.dram_percent, e.sm_percent):
        return None
    text = (
        f"{e.atomics:.0f} atomic requests, {100 * share:.0f} % of all requests to global memory, wait for each other; "
        "gather in registers or shared memory first, and add once for each block"
    )
    return Bottleneck(resource=Resource.ATOMICS, evidence=text)


def _busy(e: Evidence) -> Bottleneck | None:
    units = (
        (e.dram_percent, Resource.DRAM_BANDWIDTH, "of the device memory's bandwidth is in use"),
        (e.l2_percent, Resource.L2, "of the L2 cache's bandwidth is in use"),
        (e.sm_percent, Resource.COMPUTE, "of the peak of the multiprocessors' busiest unit"),
        (e.l1_percent, Resource.COMPUTE, "of the peak of the path to L1 and shared memory; keep more in registers"),
    )
    percent, resource, words = max(((p or 0.0, r, w) for p, r, w in units), key=lambda unit: unit[0])
    if resource is Resource.L2 and (e.dram_percent or 0.0) >= e.limits.dram_saturated:
        # What DRAM delivers passes through L2, which looks as busy for it.
        percent, resource, words = e.dram_percent or 0.0, *units[0][1:]
    if percent < e.limits.busy:
        return None
    text = f"{percent:.0f} % {words}"
    if resource is Resource.DRAM_BANDWIDTH and e.dram_bytes is not None and e.task_bytes:
        text += f"; it moved {e.dram_bytes / e.task_bytes:.1f} times the bytes of the task"
    return Bottleneck(resource=resource, evidence=text)


def _barrier(e: Evidence) -> Bottleneck | None:
    share, memory = e.stalled("barrier"), e.stalled("long_scoreboard")
    if share is None or share < e.limits.barrier_share or (memory is not None and memory > share):
        return None
    text = (
        f"warps wait {100 * share:.0f} % of their time at barriers; share the work between two barriers evenly, "
        "or let fewer warps meet: smaller blocks, __syncwarp"
    )
    return Bottleneck(resource=Resource.BARRIER, evidence=text)


def _tail(e: Evidence) -> Bottleneck | None:
    waves = e.waves
    if waves is None or not 1.0 < waves <= e.limits.tail_waves or (idle := 1.0 - waves / math.ceil(waves)) < e.limits.tail_idle:
        return None
    text = (
        f"the grid is {waves:.2f} waves of blocks: the last leaves {100 * idle:.0f} % of the whole run's room empty; "
        "take smaller blocks, or a grid of whole waves whose blocks go on to further work"
    )
    return Bottleneck(resource=Resource.TAIL, evidence=text)


def _grid(e: Evidence) -> Bottleneck | None:
    if e.waves is None or e.waves >= e.limits.waves:
        return None
    return Bottleneck(
        resource=Resource.OCCUPANCY, evidence=f"the grid fills {100 * e.waves:.2g} % of the GPU; more or smaller blocks would"
    )


def _occupancy(e: Evidence) -> Bottleneck | None:
    active = e.occupancy
    if active is None or active >= e.limits.occupancy:
        return None
    text = f"only {active:.0f} % of the warps that could be resident are{_limiter(e)}"
    return Bottleneck(resource=Resource.OCCUPANCY, evidence=text)


def _limiter(e: Evidence) -> str:
    """What keeps further blocks off a multiprocessor, where that is known."""
    registers, block = e.get("launch__registers_per_thread"), e.get("launch__block_size")
    named = {
        "registers": "registers" if registers is None else f"{registers:.0f} registers a thread",
        "shared_mem": "shared memory",
        "blocks": "the number of blocks" if block is None else f"the number of blocks, which are small with {block:.0f} threads,",
    }
    room = {word: value for word in named if (value := e.get(f"launch__occupancy_limit_{word}")) is not None}
    full = e.get("launch__occupancy_limit_warps")
    if not room or full is None:
        known = [
            text for text, value in ((named["registers"], registers), (f"{block or 0:.0f} threads a block", block)) if value is not None
        ]
        return f", with {' and '.join(known)}" if known else ""
    least = min(room, key=lambda word: room[word])
    if room[least] >= full:
        return f", though {full:.0f} blocks fit: they end unevenly, or too few are there" if full > 1 else ""
    return f": {named[least]} leave a multiprocessor room for {room[least]:.0f} of {full:.0f} blocks"


def _latency(e: Evidence) -> Bottleneck | None:
    sm, dram, memory = e.sm_percent, e.dram_percent, e.stalled("long_scoreboard")
    if sm is None and dram is None:
        return None
    figures = [f"{name} at {value:.0f} %" for name, value in (("DRAM", dram), ("multiprocessors", sm)) if value is not None]
    busy = f"nothing is busy ({', '.join(figures)})"
    if memory is None:
        text = f"{busy}: warps wait; more independent loads or work in each thread would help"
    elif memory >= e.limits.memory_wait:
        text = f"{busy}: warps wait {100 * memory:.0f} % of their time for loads; have more independent loads under way in each thread"
    else:
        text = f"{busy}: warps wait for their own last result; more independent work in each thread would help"
    return Bottleneck(resource=Resource.LATENCY, evidence=text)


_WASTE: tuple[_Rule, ...] = (_launch, _uncoalesced, _conflicts, _spills, _divergence, _tensor, _atomics)
