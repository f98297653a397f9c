"""Times, and what is known of how they were taken. All times in µs.

A time is *measured* on hardware or *modelled* by the emulated device; a `Measurement` is one or the other, and `compare` refuses
to mix them.
"""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

# A condition: mean power while the candidate's own calls, and nothing else, ran one after another. Of the whole board, and a claim as far
# as code of the candidate launches them.
OWN_POWER = "power W of its own calls"


class TimeKind(enum.Enum):
    MEASURED = "measured"
    MODELLED = "modelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a median or a ratio lies, at `confidence`: 0.99 for 99 %, 0 where nothing is known but the value itself."""

    low: float
    high: float
    confidence: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high} has no inside")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence {self.confidence} is not between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTiming:
    """All samples of one timed case, in the order they were taken; a modelled time has one sample.

    `rival_us`: what the kernel that it was timed against took, pair by pair. `unexplained_us` is how much more a call took by the clock
    outside the box than it claimed, beyond what the rival's calls took more, and `doubt_us` the standard error of that.
    """

    case: str
    samples_us: tuple[float, ...]
    rival_us: tuple[float, ...] = ()
    unexplained_us: float = 0.0
    doubt_us: float = 0.0

    def __post_init__(self) -> None:
        if not self.samples_us or not all(math.isfinite(s) and s > 0 for s in self.samples_us):
            raise ValueError(f"case {self.case!r}: samples must be positive and finite")

    @property
    def median_us(self) -> float:
        return statistics.median(self.samples_us)

    @property
    def spread(self) -> float:
        """Interquartile range over the median; 0 for a single sample."""
        if len(self.samples_us) < 4:
            return 0.0
        quartiles = statistics.quantiles(self.samples_us, n=4)
        return (quartiles[2] - quartiles[0]) / self.median_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Timings of every timed case, with the state of the device around them (`conditions`: clocks, power, throttle reasons).

    `speedup` over the rival (the task's baseline, where nothing else is said) is the geometric mean over cases of the median of the
    pairs' ratios; `interval` covers it. Without pairs both are None.
    """

    kind: TimeKind
    timings: tuple[CaseTiming, ...]
    speedup: float | None = None
    interval: Interval | None = None
    cache: str = "flushed"  # what was done to L2 before each sample
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def time_us(self) -> float:
        """Geometric mean of the cases' medians: the figure that stands for the whole."""
        return math.exp(statistics.fmean(math.log(t.median_us) for t in self.timings))

    @property
    def spread(self) -> float:
        """The largest relative interquartile range of any case."""
        return max(t.spread for t in self.timings)

    def median_us(self, case: str) -> float:
        """Median of one case; raises `KeyError` for a case that was not timed."""
        for timing in self.timings:
            if timing.case == case:
                return timing.median_us
        raise KeyError(case)

    def apart_from(self, other: Measurement) -> bool:
        """Whether this one is certainly faster, by what both showed against the same baseline: their intervals do not meet. Where there
        are none, as of modelled times, the shorter time is. Never across kinds."""
        if self.kind is not other.kind:
            return False
        if self.interval is not None and other.interval is not None:
            return self.interval.low > other.interval.high
        return self.time_us < other.time_us

    def speedup_over(self, baseline: Measurement) -> float:
        """How many times as fast: from pairs, where it was timed in pairs with the baseline, else from medians.

        Raises `ValueError` across kinds or cases.
        """
        if self.kind is not baseline.kind:
            raise ValueError("a modelled time cannot be compared with a measured one")
        if self is baseline:
            return 1.0
        if self.speedup is not None:
            return self.speedup
        ours = {t.case: t.median_us for t in self.timings}
        theirs = {t.case: t.median_us for t in baseline.timings}
        if ours.keys() != theirs.keys():
            raise ValueError("the two measurements timed different cases")
        return math.exp(statistics.fmean(math.log(theirs[c] / ours[c]) for c in ours))
