"""What a suite came to, as a few figures with their intervals: by group, and for all. Pure.

Every task weighs the same: seeds of one task are averaged first, and intervals come from drawing tasks anew. A search that failed counts
as no speed-up and as not correct; one that is missing counts nowhere, and is told of. A speed-up counts as more than p only when the
lower end of its interval is: with p = 1 and no margin, noise alone makes a lead.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kernelsearch.measure.statistics import MIN_EFFECT
from kernelsearch.model import Row
from kernelsearch.score.runtime import sol_score
from kernelsearch.suite.estimators import best_of, efficiency, pass_at
from kernelsearch.suite.resample import mean_interval

THRESHOLDS = (1.0, 1.5, 2.0, 4.0)
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over `tasks` tasks with its bootstrap interval at 95 %; None where one task, or none, says nothing of others."""

    value: float
    low: float | None = None
    high: float | None = None
    tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One group of tasks under one setting. What cannot be told is None or absent.

    `fast`: share of tasks that were correct and faster than p, by p; `light`: mean of 1/(1+(t-floor)/(baseline-floor)); `over_library`:
    geometric mean of library time over ours. `passes` and `efficiencies` by k, over seeds. `censored` searches were cut off by their time
    limit: figures that they are in are lower bounds.
    """

    group: str
    setting: str
    tasks: int
    searches: int
    failures: int
    censored: int
    correct: Figure
    fast: Mapping[float, Figure]
    speedup: Figure
    light: Figure | None = None
    over_library: Figure | None = None
    passes: Mapping[int, Figure] = field(default_factory=dict)
    efficiencies: Mapping[int, Figure] = field(default_factory=dict)
    wins: int = 0
    usd: float = 0.0
    gpu_seconds: float = 0.0
    usd_a_win: float | None = None
    gpu_seconds_a_win: float | None = None


def scores(rows: Sequence[Row], thresholds: Sequence[float] = THRESHOLDS) -> tuple[Score, ...]:
    """By setting: each group, then all of them where there are several."""
    found = []
    for setting in sorted({row.setting for row in rows}):
        own = [row for row in rows if row.setting == setting]
        groups = sorted({row.suite for row in own})
        found += [_score(group, setting, [row for row in own if row.suite == group], thresholds) for group in groups]
        if len(groups) > 1:
            found.append(_score(ALL, setting, own, thresholds))
    return tuple(found)


def correct(row: Row) -> bool:
    """Whether the search made a kernel that is right; the baseline is not its own."""
    return not row.failure and row.passed > 0


def at_least(row: Row) -> float:
    """The speed-up that was shown: the lower end of its interval. Modelled times have none, and the baseline is exactly 1."""
    if row.failure or row.speedup is None:
        return 0.0
    return row.speedup if row.interval is None else row.interval[0]


def fast(row: Row, p: float) -> bool:
    return correct(row) and at_least(row) > p


def won(row: Row) -> bool:
    """Whether it is shown to be faster than the baseline by what counts as an effect."""
    return fast(row, 1.0 + MIN_EFFECT)


def gain(row: Row) -> float:
    """Logarithm of the speed-up; 0 for a failure."""
    return 0.0 if row.failure or row.speedup is None else math.log(row.speedup)


def light(row: Row) -> float | None:
    """0.5 at the baseline, 1 at the speed of light, 0 for a failure; None where the floor is not known."""
    if row.failure:
        return 0.0
    if row.light_baseline is None or row.baseline_us is None or row.best_us is None:
        return None
    return sol_score(row.best_us, row.baseline_us, row.light_baseline * row.baseline_us)


def library_us(row: Row) -> float | None:
    """The fastest yardstick."""
    return min(row.yardsticks.values(), default=None)


def _score(group: str, setting: str, rows: Sequence[Row], thresholds: Sequence[float]) -> Score:
    tasks = _by_task(rows)
    wins = sum(map(won, rows))
    usd, held = sum(row.usd for row in rows), sum(row.gpu_seconds for row in rows)
    fewest = min((len(own) for own in tasks), default=0)
    ks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= fewest]
    return Score(
        group=group,
        setting=setting,
        tasks=len(tasks),
        searches=len(rows),
        failures=sum(bool(row.failure) for row in rows),
        censored=sum(row.censored for row in rows),
        correct=_mean(tasks, correct),
        fast={p: _mean(tasks, lambda row, p=p: fast(row, p)) for p in thresholds},  # type: ignore[misc]
        speedup=_exponential(_mean(tasks, gain)),
        light=_known(tasks, light),
        over_library=_over_library(tasks),
        passes={k: _figure([pass_at(k, sum(map(correct, own)), len(own)) for own in tasks]) for k in ks},
        efficiencies=_efficiencies(tasks, ks),
        wins=wins,
        usd=usd,
        gpu_seconds=held,
        usd_a_win=usd / wins if wins else None,
        gpu_seconds_a_win=held / wins if wins else None,
    )


def _by_task(rows: Sequence[Row]) -> list[list[Row]]:
    found = defaultdict[tuple[str, str], list[Row]](list)
    for row in rows:
        found[row.suite, row.task].append(row)
    return [found[name] for name in sorted(found)]


def _figure(values: Sequence[float]) -> Figure:
    interval = mean_interval(values)
    low, high = (None, None) if interval is None else interval
    return Figure(value=statistics.fmean(values) if values else 0.0, low=low, high=high, tasks=len(values))


def _mean(tasks: Sequence[Sequence[Row]], of: Callable[[Row], float]) -> Figure:
    return _figure([statistics.fmean(float(of(row)) for row in own) for own in tasks])


def _known(tasks: Sequence[Sequence[Row]], of: Callable[[Row], float | None]) -> Figure | None:
    """Over the tasks for which it is known of a search that did not fail; failures of those count."""
    means = []
    for own in tasks:
        if any(not row.failure and of(row) is not None for row in own):
            means.append(statistics.fmean(value for row in own if (value := of(row)) is not None))
    return _figure(means) if means else None


def _exponential(figure: Figure) -> Figure:
    low, high = (None if bound is None else math.exp(bound) for bound in (figure.low, figure.high))
    return Figure(value=math.exp(figure.value), low=low, high=high, tasks=figure.tasks)


def _over_library(tasks: Sequence[Sequence[Row]]) -> Figure | None:
    def ratio(row: Row) -> float | None:
        theirs = library_us(row)
        return None if theirs is None or row.best_us is None or row.failure else math.log(theirs / row.best_us)

    found = _known(tasks, ratio)
    return None if found is None else _exponential(found)


def _efficiencies(tasks: Sequence[Sequence[Row]], ks: Sequence[int]) -> dict[int, Figure]:
    """eff@k over the tasks that have a reference: the fastest library, or else the floor of the hardware."""
    each = [values for own in tasks if (values := _task_efficiencies(own))]
    return {k: _figure([best_of(k, values) for values in each]) for k in ks} if each else {}


def _task_efficiencies(own: Sequence[Row]) -> list[float]:
    known = [(row, reference) for row in own if (reference := _reference_us(row)) is not None]
    if not known:
        return []
    first, reference = known[0]
    baseline = first.baseline_us or reference
    return [efficiency(None if row.failure else row.best_us, reference, row.baseline_us or baseline) for row in own]


def _reference_us(row: Row) -> float | None:
    if row.failure or row.baseline_us is None:
        return None
    theirs = library_us(row)
    if theirs is not None:
        return theirs
    return None if row.light_baseline is None else row.light_baseline * row.baseline_us
