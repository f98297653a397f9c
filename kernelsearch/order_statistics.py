"""What can be said of a median from its samples alone, whatever their distribution; and when there are enough of them.

The number of samples below the median is binomial, so an interval between two order statistics covers the median with a known
probability (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). Times have a long tail and are not normal; this does not care.

Standard library only, on a low layer: whoever takes the samples asks `settled` between two of them, and imports nothing for it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

from kernelsearch.model import Interval

CONFIDENCE = 0.99
FEWEST = 8  # samples that give an interval of 99 %: 1 - 2 / 2**8


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The narrowest pair of order statistics, symmetric in rank, that covers the median with `confidence`.

    Fewer samples than that takes give smallest and largest, and the confidence that these have: 0 for one sample.
    """
    ordered = sorted(samples)
    if not ordered or not all(math.isfinite(sample) for sample in ordered):
        raise ValueError("a median needs at least one sample, and finite ones")
    count = len(ordered)
    cut = _cut(count, confidence)
    if cut is None:
        return Interval(low=ordered[0], high=ordered[-1], confidence=1.0 - 2.0 ** (1 - count))
    return Interval(low=ordered[cut], high=ordered[count - 1 - cut], confidence=confidence)


def settled(samples: Sequence[float], width: float = 0.01, confidence: float = CONFIDENCE) -> bool:
    """Whether the median is known well enough to stop: its interval is at most `width` of it, from end to end.

    `samples` are times, or ratios of pairs. The rule looks at the width and never at the value: to stop as soon as a candidate looks
    faster would make more of them look faster than are.
    """
    if len(samples) < 2:
        return False
    interval = median_interval(samples, confidence)
    median = statistics.median(samples)
    return interval.confidence >= confidence and median > 0 and interval.high - interval.low <= width * median


@lru_cache(maxsize=4096)
def _cut(count: int, confidence: float) -> int | None:
    """How many samples to leave out at either end; None when all of them do not cover the median with `confidence`."""
    tail = (1.0 - confidence) / 2.0
    below, cut = 0.0, None
    for rank in range((count + 1) // 2):
        below += math.exp(_log_binomial(count, rank))
        if below > tail:
            break
        cut = rank
    return cut


def _log_binomial(count: int, rank: int) -> float:
    """Logarithm of the chance that `rank` of `count` fair coins show heads."""
    return math.lgamma(count + 1) - math.lgamma(rank + 1) - math.lgamma(count - rank + 1) - count * math.log(2.0)
