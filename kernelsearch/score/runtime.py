"""Terms of time: the speed-up, how near to the floor, and the energy of a call.

Where a case was timed in pairs with the baseline its ratio comes from the pairs, so clocks and heat cancel; a time of the baseline is
then the candidate's own times that ratio. The floor of a case is the ideal of the roofline. It is the same for every kernel of a task,
so it is taken from the baseline's record first, and a candidate that was not profiled has its place between floor and baseline too.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from kernelsearch.model import CaseTiming, Evaluation
from kernelsearch.model.measurement import OWN_POWER

UNKNOWN = "not known"
FLOOR = "derived__floor_us."  # with a case's name behind it: the floor of that case, as `diagnose` records it where it does
SPEED_OF_LIGHT = "derived__speed_of_light.pct"  # of the slowest case, as `diagnose` records it
# A floor is good to a few per cent: outputs may stay in L2, and peaks of datasheets are exceeded. A baseline nearer to it than this
# has no room that noise would not fill, so the floor is then taken to lie this far below the baseline.
ROOM = 0.05


def ratios(own: Evaluation, base: Evaluation) -> dict[str, float]:
    """How many times as fast as the baseline in each case that both timed; empty where times are not of one kind."""
    ours, theirs = own.measurement, base.measurement
    if ours is None or theirs is None or ours.kind is not theirs.kind:
        return {}
    before = {timing.case: timing.median_us for timing in theirs.timings}
    if ours is theirs:
        return dict.fromkeys(before, 1.0)
    return {t.case: _ratio(t, before[t.case]) for t in ours.timings if t.case in before}


def _ratio(timing: CaseTiming, before_us: float) -> float:
    if not timing.rival_us:
        return before_us / timing.median_us
    logs = [math.log(theirs / ours) for ours, theirs in zip(timing.samples_us, timing.rival_us, strict=True)]
    return math.exp(statistics.median(logs))


def floors(own: Evaluation, base: Evaluation) -> Mapping[str, float]:
    """The floor in µs by case: of all cases where they were recorded, else of the slowest; empty where there is none."""
    return _floors(base) or _floors(own)


def _floors(evaluation: Evaluation) -> dict[str, float]:
    if evaluation.profile is None or evaluation.measurement is None:
        return {}
    recorded = evaluation.profile.metrics.items()
    if each := {name.removeprefix(FLOOR): m.value for name, m in recorded if name.startswith(FLOOR) and _usable(m.value)}:
        return each
    percent = evaluation.profile.value(SPEED_OF_LIGHT)
    if percent is None or not _usable(percent):
        return {}
    slowest = max(evaluation.measurement.timings, key=lambda timing: timing.median_us)
    return {slowest.case: slowest.median_us * percent / 100.0}


def _usable(value: float) -> bool:
    return math.isfinite(value) and value > 0


def speedup(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    found = ratios(own, base)
    if own.measurement is None or not found:
        return 0.0, UNKNOWN
    paired = None if own.measurement is base.measurement else own.measurement.speedup
    ratio = paired or math.exp(statistics.fmean(map(math.log, found.values())))
    return math.log2(ratio), f"{ratio:.3f}x the baseline"


def sol_score(us: float, before_us: float, floor_us: float) -> float:
    """1/(1+(t-floor)/(baseline-floor)): 1 at the floor and below it, 0.5 as fast as the baseline, towards 0 as it gets slower.

    A baseline at its floor, or below it, shows that the floor is too high: it is then taken to lie `ROOM` below the baseline.
    """
    floor = min(floor_us, (1.0 - ROOM) * before_us)
    return 1.0 / (1.0 + max(0.0, us - floor) / (before_us - floor))


def sol(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    """The geometric mean over cases, so that a case at its floor does not make up for one that is far from it."""
    scores, share = [], []
    for case, floor, us, ratio in _against_floors(own, base):
        scores.append(sol_score(us, us * ratio, floor))
        share.append(f"{us * ratio:.4g} -> {us:.4g} µs, floor {floor:.4g}{'' if _only(own) else f', in {case}'}")
    if not scores:
        return 0.0, UNKNOWN
    note = share[0] if len(share) == 1 else f"mean over {len(share)} cases"
    return math.exp(statistics.fmean(math.log(max(value, 1e-9)) for value in scores)), note


def speed_of_light(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    shares = [min(1.0, floor / us) for _, floor, us, _ in _against_floors(own, base)]
    if not shares:
        return 0.0, UNKNOWN
    share = math.exp(statistics.fmean(map(math.log, shares)))
    return share, f"{100 * share:.0f} % of speed of light"


def _against_floors(own: Evaluation, base: Evaluation) -> list[tuple[str, float, float, float]]:
    """Case, floor, own time, and how many times as fast as the baseline, of each case where all are known."""
    known, faster = floors(own, base), ratios(own, base)
    timings = () if own.measurement is None else own.measurement.timings
    return [(t.case, known[t.case], t.median_us, faster[t.case]) for t in timings if t.case in known and t.case in faster]


def _only(evaluation: Evaluation) -> bool:
    return evaluation.measurement is not None and len(evaluation.measurement.timings) == 1


def energy(own: Evaluation, base: Evaluation) -> tuple[float, str]:
    """Mean power times the time of a call. Power while pairs are taken is that of two kernels by turns, so it does not count."""
    faster = [ratio for ratio in ratios(own, base).values() if ratio > 0]
    ours, theirs = _power(own), _power(base)
    if not faster or ours is None or theirs is None:
        return 0.0, UNKNOWN
    times = math.exp(statistics.fmean(map(math.log, faster)))
    return math.log2(times * theirs / ours), f"{theirs:.0f} -> {ours:.0f} W, {times * theirs / ours:.3g} times less energy"


def _power(evaluation: Evaluation) -> float | None:
    text = "" if evaluation.measurement is None else evaluation.measurement.conditions.get(OWN_POWER, "")
    try:
        watts = float(text)
    except ValueError:
        return None
    return watts if _usable(watts) else None
