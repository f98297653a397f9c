"""When a kernel counts as faster than another: the stated minimum effect at the stated confidence, shown in a trial of its own."""

from __future__ import annotations

from kernelsearch.measure.statistics import CONFIDENCE, MIN_EFFECT, faster
from kernelsearch.model import Measurement


def over(ours: Measurement, theirs: Measurement) -> float:
    """How many times as fast as `theirs`, from what both showed against the same baseline, or from their times."""
    if ours.speedup is not None and theirs.speedup is not None:
        return ours.speedup / theirs.speedup
    return theirs.time_us / ours.time_us


def ahead(ours: Measurement, incumbent: Measurement) -> bool:
    """Whether it is worth a second trial: on the face of it, faster by more than the minimum effect.

    Never across kinds: a run that began on the emulated device and went on elsewhere keeps the best that it has.
    """
    return ours.kind is incumbent.kind and over(ours, incumbent) > 1.0 + MIN_EFFECT


def holds(second: Measurement, first: Measurement, incumbent: Measurement) -> tuple[bool, str]:
    """Whether the second trial shows it: all of the interval, in pairs with the incumbent, beyond the minimum effect.

    A modelled time has neither noise nor pairs: there the times themselves are compared.
    """
    if second.speedup is None or second.interval is None:
        ratio = over(second, incumbent)
        return ratio > 1.0 + MIN_EFFECT, f"{ratio:.3f}x the incumbent, without pairs"
    low, high = second.interval.low, second.interval.high
    held = faster(second.interval)
    words = "beyond" if held else "not beyond"
    text = (
        f"{second.speedup:.3f}x [{low:.3f}, {high:.3f}] the incumbent at {CONFIDENCE:.0%}, {words} the minimum effect of {MIN_EFFECT:.0%}"
    )
    return held, f"{text}; the first trial said {over(first, incumbent):.3f}x"
