"""Which differences between two suites are real: task by task, and over all tasks. Pure.

What is compared is the logarithm of the speed-up over the task's own baseline, each measured beside that baseline in its own session, so
that what differs between sessions cancels. A difference is real when it is beyond the minimum effect at the corrected level:

- one seed each: the two intervals, whose distances add as squares, give a standard error. What is shown is that the kernels differ; a
  search under another seed may find another one.
- several seeds: the differences seed by seed, by exchanging signs. Six seeds are the fewest that can show anything at 5 %.

Many tasks are many chances to be wrong, so p values are corrected by Holm's method, which needs no independence.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernelsearch.measure.statistics import MIN_EFFECT
from kernelsearch.model import Row
from kernelsearch.order_statistics import CONFIDENCE
from kernelsearch.suite.resample import mean_interval, sign_test
from kernelsearch.suite.scores import gain

LEVEL = 0.05  # of the family of all tasks
_EFFECT = math.log1p(MIN_EFFECT)
_Z = statistics.NormalDist().inv_cdf((1.0 + CONFIDENCE) / 2.0)
Name = tuple[str, str, str]  # suite, task, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of one task. `ratio`: how many times the speed-up of A that of B is, with its interval where it is known. `p` is corrected.

    `why` says what keeps the two from being compared; `ratio` is then None. `note` is for a person.
    """

    suite: str
    task: str
    setting: str = ""
    a: float | None = None
    b: float | None = None
    seeds: int = 0
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    real: bool = False
    why: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`overall` is the geometric mean over the tasks that can be compared, each weighing the same; None where there is none."""

    differences: tuple[Difference, ...]
    overall: Difference | None
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()

    @property
    def real(self) -> tuple[Difference, ...]:
        return tuple(d for d in self.differences if d.real)


def compare(a: Sequence[Row], b: Sequence[Row], *, level: float = LEVEL) -> Comparison:
    """A against B. Settings are told apart where both have several; else each task's rows are taken as they are."""
    ours, theirs = _named(a, b), _named(b, a)
    both = sorted(ours.keys() & theirs.keys())
    found = _corrected([_difference(name, ours[name], theirs[name]) for name in both], level)
    return Comparison(
        differences=tuple(found),
        overall=_overall([d for d in found if d.ratio is not None], level),
        only_a=tuple(_label(name) for name in sorted(ours.keys() - theirs.keys())),
        only_b=tuple(_label(name) for name in sorted(theirs.keys() - ours.keys())),
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Corrected p values, in the order given: any that is at most the level can be called real with that chance of one false call."""
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = largest
    return corrected


def _named(rows: Sequence[Row], others: Sequence[Row]) -> Mapping[Name, dict[int, Row]]:
    """By task, and by setting where it tells anything apart; then by seed."""
    several = len({row.setting for row in rows}) > 1 or len({row.setting for row in others}) > 1
    found = defaultdict[Name, dict[int, Row]](dict)
    for row in rows:
        found[row.suite, row.task, row.setting if several else ""][row.seed] = row
    return found


def _label(name: Name) -> str:
    suite, task, setting = name
    return f"{suite}/{task} {setting}".rstrip()


def _difference(name: Name, ours: Mapping[int, Row], theirs: Mapping[int, Row]) -> Difference:
    suite, task, setting = name
    seeds = sorted(ours.keys() & theirs.keys())
    start = Difference(suite=suite, task=task, setting=setting, seeds=len(seeds))
    if not seeds and len(ours) == len(theirs) == 1:  # one search each: of which seed does not matter
        pairs = [(next(iter(ours.values())), next(iter(theirs.values())))]
        start = replace(start, seeds=1)
    else:
        pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    if not pairs:
        return replace(start, why="no seed in common")
    start = replace(start, a=_mean([first for first, _ in pairs]), b=_mean([second for _, second in pairs]), note=_failures(pairs))
    if why := next((why for pair in pairs if (why := _apart(*pair))), ""):
        return replace(start, why=why)
    if all(first.failure and second.failure for first, second in pairs):
        return replace(start, why="both failed")
    return _alone(start, *pairs[0]) if len(pairs) == 1 else _by_seed(start, pairs)


def _mean(rows: Sequence[Row]) -> float | None:
    known = [row for row in rows if not row.failure and row.speedup is not None]
    return math.exp(statistics.fmean(map(gain, known))) if known else None


def _failures(pairs: Sequence[tuple[Row, Row]]) -> str:
    counts = [(name, sum(bool(row.failure) for row in side)) for name, side in zip("AB", zip(*pairs, strict=True), strict=True)]
    return ", ".join(f"{name} failed{'' if len(pairs) == 1 else f' {count} of {len(pairs)} times'}" for name, count in counts if count)


def _apart(first: Row, second: Row) -> str:
    """Why two rows do not compare."""
    if first.digest and second.digest and first.digest != second.digest:
        return "another task of that name"
    if first.failure or second.failure:
        return ""
    if first.time_kind != second.time_kind:
        return f"{first.time_kind} and {second.time_kind} times"
    if first.device != second.device:
        return f"other devices: {first.device or 'unknown'} and {second.device or 'unknown'}"
    return ""


def _alone(start: Difference, first: Row, second: Row) -> Difference:
    """One search each. A failure counts as no speed-up, and what that means for a kernel is not tested."""
    value = gain(second) - gain(first)
    if first.failure or second.failure:
        return replace(start, ratio=math.exp(value))
    bounds = [_bounds(row) for row in (first, second)]
    if bounds[0] is None or bounds[1] is None:
        return replace(start, ratio=math.exp(value), note="no interval was measured")
    below = math.hypot(gain(second) - bounds[1][0], bounds[0][1] - gain(first))
    above = math.hypot(bounds[1][1] - gain(second), gain(first) - bounds[0][0])
    distance = max(0.0, abs(value) - _EFFECT)
    error = (below if value > 0 else above) / _Z
    p = (0.0 if distance else 1.0) if error == 0.0 else 2.0 * (1.0 - statistics.NormalDist().cdf(distance / error))
    return replace(start, ratio=math.exp(value), low=math.exp(value - below), high=math.exp(value + above), p=p)


def _bounds(row: Row) -> tuple[float, float] | None:
    """Of the logarithm. A modelled time is exact, and so is the 1 of a search whose best is the baseline."""
    if row.interval is not None:
        return math.log(row.interval[0]), math.log(row.interval[1])
    exact = row.time_kind == "modelled" or row.speedup == 1.0
    return (gain(row), gain(row)) if exact else None


def _by_seed(start: Difference, pairs: Sequence[tuple[Row, Row]]) -> Difference:
    differences = [gain(second) - gain(first) for first, second in pairs]
    return _tested(start, differences)


def _tested(start: Difference, differences: Sequence[float]) -> Difference:
    mean, interval = statistics.fmean(differences), mean_interval(differences)
    low, high = (None, None) if interval is None else (math.exp(interval[0]), math.exp(interval[1]))
    return replace(start, ratio=math.exp(mean), low=low, high=high, p=sign_test(differences))


def _corrected(found: Sequence[Difference], level: float) -> list[Difference]:
    tested = [place for place, difference in enumerate(found) if difference.p is not None]
    corrected = dict(zip(tested, holm([found[place].p or 0.0 for place in tested]), strict=True))
    return [_called(d, corrected[place], level) if place in corrected else d for place, d in enumerate(found)]


def _called(difference: Difference, p: float, level: float) -> Difference:
    beyond = difference.ratio is not None and abs(math.log(difference.ratio)) > _EFFECT
    return replace(difference, p=p, real=beyond and p <= level)


def _overall(found: Sequence[Difference], level: float) -> Difference | None:
    if not found:
        return None
    start = Difference(suite="", task="all", seeds=max(d.seeds for d in found))
    whole = _tested(start, [math.log(d.ratio) for d in found if d.ratio is not None])
    return _called(whole, whole.p or 0.0, level)
