"""How much faster one kernel is than another, and how sure that is: from samples taken in pairs, one of each kernel right after the other.

The two of a pair see the same clocks, temperature and contents, so what drifts slowly cancels in their ratio. Ratios are taken as
logarithms: "1.25 times as fast" and "1.25 times as slow" are then equally far from none, and swapping the kernels inverts the result.

The rule: a kernel counts as faster only when the whole interval at `CONFIDENCE` lies beyond 1 + `MIN_EFFECT`. The minimum effect is
there because two processes that run the very same kernel differ by some tenths of a per cent for as long as they live (where their
memory came to lie): no number of samples shows that, and only another process does.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from kernelsearch.model import Interval
from kernelsearch.order_statistics import CONFIDENCE, median_interval, settled

__all__ = ["CONFIDENCE", "MIN_EFFECT", "combined", "faster", "median_interval", "ratio", "remarks", "settled", "slower"]

MIN_EFFECT = 0.01
_RESAMPLES = 2000
_SEED = 20261124  # fixed: the same samples always give the same interval
_FEW = 20  # pairs below which resampled medians take too few values, and order statistics say it exactly
_MODES_APART = 0.05
_MODE_SHARE = 0.15  # of the samples, that the smaller mode must have
_SEPARATION = 5.0  # Ashman's D between halves: a normal distribution cut in two has 2.7, a uniform one 3.5
_TREND = 0.01  # change between first and last third that is worth a word
_TREND_Z = 3.3  # of Spearman's correlation with the order; by chance once in 1000
_REMARKABLE = 12  # samples below which modes and trends are not looked for


def ratio(ours: Sequence[float], theirs: Sequence[float], *, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """Speed-up of ours over theirs, theirs / ours, from times in pairs: the median over pairs, and its bootstrap interval.

    Few pairs are answered by order statistics. Fewer than the confidence takes give an interval of a lower one, which `faster` refuses.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"{len(ours)} and {len(theirs)} samples are no pairs")
    if not all(math.isfinite(sample) and sample > 0 for sample in (*ours, *theirs)):
        raise ValueError("times must be positive and finite")
    logs = np.log(np.asarray(theirs, dtype=np.float64)) - np.log(np.asarray(ours, dtype=np.float64))
    median = math.exp(float(np.median(logs)))
    if logs.size < _FEW:
        plain = median_interval(logs.tolist(), confidence)
        return median, Interval(low=math.exp(plain.low), high=math.exp(plain.high), confidence=plain.confidence)
    places = np.random.default_rng(_SEED).integers(0, logs.size, size=(_RESAMPLES, logs.size))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.median(logs[places], axis=1), (tail, 1.0 - tail))
    return median, Interval(low=math.exp(float(low)), high=math.exp(float(high)), confidence=confidence)


def combined(ratios: Sequence[tuple[float, Interval]]) -> tuple[float, Interval]:
    """Geometric mean of the speed-ups of several cases, each weighing the same, with its interval.

    Cases are timed apart, so the distances from each median to its bounds add as squares (Zou and Donner, Statistics in Medicine 27,
    2008), on the logarithms and on either side separately. The confidence is that of the least sure case.
    """
    if not ratios:
        raise ValueError("no cases to combine")
    logs = [math.log(value) for value, _ in ratios]
    below = [log - math.log(interval.low) for log, (_, interval) in zip(logs, ratios, strict=True)]
    above = [math.log(interval.high) - log for log, (_, interval) in zip(logs, ratios, strict=True)]
    mean = statistics.fmean(logs)
    return math.exp(mean), Interval(
        low=math.exp(mean - math.hypot(*below) / len(logs)),
        high=math.exp(mean + math.hypot(*above) / len(logs)),
        confidence=min(interval.confidence for _, interval in ratios),
    )


def faster(interval: Interval, min_effect: float = MIN_EFFECT, confidence: float = CONFIDENCE) -> bool:
    """Whether a speed-up with this interval is shown: all of it beyond the minimum effect, at no less than `confidence`."""
    return interval.confidence >= confidence and interval.low > 1.0 + min_effect


def slower(interval: Interval, min_effect: float = MIN_EFFECT, confidence: float = CONFIDENCE) -> bool:
    """The same for a slow-down: `faster`, seen from the other kernel."""
    return interval.confidence >= confidence and interval.high < 1.0 / (1.0 + min_effect)


def remarks(samples: Sequence[float]) -> tuple[str, ...]:
    """What a person should know of times, in the order they were taken, beside median and spread: two modes, a trend. Often nothing."""
    if len(samples) < _REMARKABLE:
        return ()
    times = np.asarray(samples, dtype=np.float64)
    return tuple(text for text in (_modes(np.sort(times)), _trend(times)) if text)


def _modes(ordered: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    """Two groups of samples with little between them, as when clocks switch or memory lies in two places."""
    count = ordered.size
    edge = max(3, math.ceil(_MODE_SHARE * count))
    gaps = np.diff(ordered)[edge - 1 : count - edge]
    cut = edge + int(np.argmax(gaps))
    low, high = ordered[:cut], ordered[cut:]
    apart = float(np.median(high) - np.median(low))
    within = math.sqrt((float(low.var()) + float(high.var())) / 2.0)
    if apart <= _MODES_APART * float(np.median(low)) or apart < _SEPARATION * within:
        return ""
    return (
        f"two modes: {low.size} samples around {float(np.median(low)):.4g} µs and {high.size} around {float(np.median(high)):.4g} µs; "
        f"the median can fall on either"
    )


def _trend(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    """A rise or fall over the run, as when a GPU warms up."""
    third = times.size // 3
    change = float(np.median(times[-third:]) / np.median(times[:third])) - 1.0
    ranks = np.argsort(np.argsort(times, kind="stable"), kind="stable")
    correlation = float(np.corrcoef(ranks, np.arange(times.size))[0, 1])
    if abs(change) < _TREND or abs(correlation) * math.sqrt(times.size - 1) < _TREND_Z or change * correlation <= 0:
        return ""
    return f"times {'rose' if change > 0 else 'fell'} by {abs(change):.1%} from the first third of the samples to the last"
