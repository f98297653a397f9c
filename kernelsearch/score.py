"""A number for the search, with every term that went into it. Pure: computed again from the record, it comes out the same.

A candidate that did not pass gets the value of its verdict's gate, so that failing late is worth more than failing early where a
profile says so. One that passed gets the sum of weight times raw over the profile's terms. Raws are logarithms to base 2, or shares
in 0..1, of the candidate against the baseline: positive is better, and 0 is "as the baseline" or "not known", which the note tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from kernelsearch.errors import UsageError
from kernelsearch.model import Build, Evaluation, Profile, Reward, RewardProfile, Term

_UNKNOWN = "not known"
_SLOWEST = -1.0  # half as fast is as bad as a right kernel gets, so that gates can lie below it
_Raw = tuple[float, str]
_SPEED_OF_LIGHT = "derived__speed_of_light.pct"  # as `diagnose` records it


def score(evaluation: Evaluation, baseline: Evaluation, profile: RewardProfile) -> Reward:
    """The reward of `evaluation` against the `baseline`, which passed. Raises `UsageError` for a weight whose term does not exist."""
    if unknown := sorted(profile.weights.keys() - _TERMS.keys()):
        raise UsageError(f"reward profile {profile.name!r}: no term is called {unknown[0]!r}; known: {', '.join(_TERMS)}")
    if not evaluation.passed:
        gate = evaluation.verdict.value
        return Reward(value=profile.gates.get(gate, 0.0), gate=gate)
    terms = tuple(_term(name, weight, evaluation, baseline) for name, weight in profile.weights.items())
    return Reward(value=math.fsum(term.contribution for term in terms), terms=terms)


def _term(name: str, weight: float, evaluation: Evaluation, baseline: Evaluation) -> Term:
    raw, note = _TERMS[name](evaluation, baseline)
    return Term(name=name, raw=raw, weight=weight, contribution=weight * raw, note=note)


def _speedup(own: Evaluation, base: Evaluation) -> _Raw:
    if own.measurement is None or base.measurement is None:
        return 0.0, _UNKNOWN
    ratio = own.measurement.speedup_over(base.measurement)
    return max(_SLOWEST, math.log2(ratio)), f"{ratio:.3f} times as fast as the baseline"


def _regression(own: Evaluation, base: Evaluation) -> _Raw:
    """A guardrail: the worst case's slow-down, which a mean over cases would hide. Never positive."""
    if own.measurement is None or base.measurement is None:
        return 0.0, _UNKNOWN
    ratios = {t.case: base.measurement.median_us(t.case) / t.median_us for t in own.measurement.timings}
    case = min(ratios, key=lambda name: ratios[name])
    if ratios[case] >= 1.0:
        return 0.0, "no case is slower"
    return max(_SLOWEST, math.log2(ratios[case])), f"case {case} runs at {ratios[case]:.2f} of the baseline's speed"


def _speed_of_light(own: Evaluation, base: Evaluation) -> _Raw:
    percent = _value(own, _SPEED_OF_LIGHT)
    return (0.0, _UNKNOWN) if percent is None else (min(percent, 100.0) / 100.0, f"{percent:.0f} % of speed of light")


def _traffic(own: Evaluation, base: Evaluation) -> _Raw:
    return _fewer(_dram_bytes(own.profile), _dram_bytes(base.profile), "bytes through DRAM")


def _coalescing(own: Evaluation, base: Evaluation) -> _Raw:
    return _fewer(_sectors(own.profile), _sectors(base.profile), "sectors of global memory")


def _conflicts(own: Evaluation, base: Evaluation) -> _Raw:
    """The share of shared-memory cycles lost to conflicts, against the baseline's share; a kernel without shared memory loses none."""
    ours, theirs = _conflict_share(own.profile), _conflict_share(base.profile)
    if ours is None or theirs is None:
        return 0.0, _UNKNOWN
    return theirs - ours, f"{100 * theirs:.0f} % -> {100 * ours:.0f} % of shared-memory cycles"


def _instructions(own: Evaluation, base: Evaluation) -> _Raw:
    name = "smsp__inst_executed.sum"
    return _fewer(_value(own, name), _value(base, name), "instructions")


def _occupancy(own: Evaluation, base: Evaluation) -> _Raw:
    name = "sm__warps_active.avg.pct_of_peak_sustained_active"
    ours, theirs = _value(own, name), _value(base, name)
    if ours is None or theirs is None:
        return 0.0, _UNKNOWN
    return (ours - theirs) / 100.0, f"{theirs:.0f} % -> {ours:.0f} %"


def _spills(own: Evaluation, base: Evaluation) -> _Raw:
    """A guardrail: bytes a thread spilled beyond the baseline's, in 256 bytes. Never positive."""
    ours, theirs = _spilled(own.build), _spilled(base.build)
    if ours is None or theirs is None:
        return 0.0, _UNKNOWN
    return max(-1.0, min(0.0, theirs - ours) / 256.0), f"{theirs} -> {ours} bytes a thread"


_TERMS: Mapping[str, Callable[[Evaluation, Evaluation], _Raw]] = {
    "speedup": _speedup,
    "regression": _regression,
    "speed_of_light": _speed_of_light,
    "traffic": _traffic,
    "coalescing": _coalescing,
    "conflicts": _conflicts,
    "instructions": _instructions,
    "occupancy": _occupancy,
    "spills": _spills,
}


def _value(evaluation: Evaluation, name: str) -> float | None:
    return None if evaluation.profile is None else evaluation.profile.value(name)


def _fewer(ours: float | None, theirs: float | None, what: str) -> _Raw:
    """How many times fewer, as log2, within a factor of 16 either way: a counter near 0 must not outweigh the time."""
    if ours is None or theirs is None or ours <= 0 or theirs <= 0:
        return 0.0, _UNKNOWN
    return max(-4.0, min(4.0, math.log2(theirs / ours))), f"{theirs:.3g} -> {ours:.3g} {what}"


def _sum(profile: Profile | None, *names: str) -> float | None:
    values = [] if profile is None else [profile.value(name) for name in names]
    known = [value for value in values if value is not None]
    return math.fsum(known) if known and len(known) == len(names) else None


def _dram_bytes(profile: Profile | None) -> float | None:
    return _sum(profile, "dram__bytes_read.sum", "dram__bytes_write.sum")


def _sectors(profile: Profile | None) -> float | None:
    return _sum(profile, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum")


def _conflict_share(profile: Profile | None) -> float | None:
    conflicts = _sum(profile, "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum")
    cycles = _sum(profile, "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum")
    if conflicts is None or cycles is None:
        return None
    return min(1.0, conflicts / cycles) if cycles else 0.0


def _spilled(build: Build | None) -> int | None:
    if build is None or not build.resources:
        return None
    return max(kernel.spill_store_bytes + kernel.spill_load_bytes for kernel in build.resources)
