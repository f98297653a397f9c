"""A scale of a chart: where a value lies between two ends, and the round values on the way. Pure; numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass

_LOG_FROM = 6.0  # a range wider than this is drawn on a logarithmic scale


@dataclass(frozen=True, slots=True)
class Scale:
    """Values `low`..`high` on pixels `start`..`end`, which may run backwards. Of a logarithmic scale both values are positive."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of `value`; beyond the ends it is that of the nearer end."""
        value = min(max(value, self.low), self.high)
        low, high, place = (math.log(end) if self.log else end for end in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (place - low) / (high - low)

    def ticks(self, most: int = 7) -> list[float]:
        """Round values: 1, 2, 5 times powers of ten (powers alone where these are too many), or equal steps."""
        if not self.log:
            step = round_up((self.high - self.low) / max(1, most - 1))
            first = math.ceil(self.low / step - 1e-9)
            return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for mantissas, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
            marks = [mantissa * 10.0**power for power in powers if power % every == 0 for mantissa in mantissas]
            inside = [mark for mark in marks if self.low * 0.999 <= mark <= self.high * 1.001]
            if len(inside) <= most:
                return inside
        return inside[:: math.ceil(len(inside) / most)]


def times(values: list[float], start: float, end: float) -> Scale:
    """For durations: from zero, or logarithmic where they span too much for that."""
    low, high = min(values), max(values)
    if high / low > _LOG_FROM:
        return Scale(low / 1.15, high * 1.15, start, end, log=True)
    return Scale(0.0, high * 1.06, start, end)


def round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= value * (1 - 1e-9))


def label(value: float) -> str:
    """A tick in as few characters as tell it: 0.5, 20, 1.5 k, 2 T."""
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{prefix}"
    return f"{value:.3g}"
