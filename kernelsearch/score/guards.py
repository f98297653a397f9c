"""Guardrails: what a gain must not be bought with. Never positive, and 0 until a case or a resource is clearly worse than the baseline.

More registers, shared memory or traffic are often the price of a good edit, and the time says whether it was worth it. So a resource
is let grow by an allowance first, and counts from there on: such a kernel has little left for the next edit.
"""

from __future__ import annotations

import math

from kernelsearch.model import Evaluation
from kernelsearch.score.counters import dram_bytes, short, spilled, value
from kernelsearch.score.runtime import UNKNOWN, ratios

_SPILL = 256.0  # bytes a thread beyond the baseline's that are as bad as it gets
_REGISTERS, _SHARED, _TRAFFIC = 2.0, 2.0, 1.25  # times the baseline's that are allowed
_UNASKED = 48 * 1024.0  # bytes of shared memory that every CUDA GPU gives a block without being asked for more


def regression(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    """The worst case's slow-down, which a mean over cases would hide."""
    found = ratios(own, base)
    if not found:
        return 0.0, UNKNOWN
    case = min(found, key=lambda name: found[name])
    if found[case] >= 1.0:
        return 0.0, "no case is slower"
    return math.log2(found[case]), f"{found[case]:.2f} of the baseline's speed in {case}"


def spills(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    ours, theirs = spilled(own), spilled(base)
    if ours is None or theirs is None:
        return 0.0, UNKNOWN
    return min(0.0, theirs - ours) / _SPILL, f"{theirs} -> {ours} bytes a thread"


def registers(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    ours, theirs = _registers(own), _registers(base)
    return _beyond(ours, None if theirs is None else _REGISTERS * theirs, f"{theirs or 0:.0f} -> {ours or 0:.0f} a thread")


def shared_memory(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    ours, theirs = _shared(own), _shared(base)
    allowed = None if theirs is None else max(_UNASKED, _SHARED * theirs)
    return _beyond(ours, allowed, f"{(theirs or 0) / 1024:.3g} -> {(ours or 0) / 1024:.3g} KiB a block")


def extra_traffic(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    ours, theirs = dram_bytes(own), dram_bytes(base)
    return _beyond(ours, None if theirs is None else _TRAFFIC * theirs, f"{short(theirs or 0)} -> {short(ours or 0)} bytes through DRAM")


def _beyond(ours: float | None, allowed: float | None, note: str) -> tuple[float, str]:
    """log2 of how far it lies beyond what is allowed, as a loss."""
    if ours is None or not allowed:
        return 0.0, UNKNOWN
    return (0.0 if ours <= allowed else -math.log2(ours / allowed)), note


def _registers(evaluation: Evaluation) -> float | None:
    """As the compiler reports the hungriest kernel, else as the profiler saw it."""
    if evaluation.build is not None and evaluation.build.resources:
        return float(max(kernel.registers for kernel in evaluation.build.resources))
    return value(evaluation, "launch__registers_per_thread")


def _shared(evaluation: Evaluation) -> float | None:
    """Bytes a block: static as compiled, and what the launch asked for where that was collected."""
    if evaluation.build is None or not evaluation.build.resources:
        return None
    static = max(kernel.shared_bytes for kernel in evaluation.build.resources)
    return static + (value(evaluation, "launch__shared_mem_per_block_dynamic") or 0.0)
