"""Curves as figures with their uncertainty, and as tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from spaces.play import needed, share_at

AT = (10, 25, 50)
RESAMPLES = 2000
CONFIDENCE = 0.95
Curves = Mapping[str, Sequence[Sequence[float]]]  # strategy -> a curve a seed


@dataclass(frozen=True, kw_only=True)
class Row:
    """One strategy in one space."""

    strategy: str
    shares: tuple[tuple[float, float, float], ...]  # at each of `AT`: median, and its interval
    evaluations: float  # median number that the goal takes; infinite when fewer than half of the searches reached it
    reached: float  # share of the searches that did
    beats: bool | None  # best-of-n at the largest of `AT`; None for best-of-n itself and where it was not run

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "strategy": self.strategy,
            "share": {str(at): [round(v, 4) for v in share] for at, share in zip(AT, self.shares, strict=True)},
            "evaluations_to_goal": None if math.isinf(self.evaluations) else self.evaluations,
            "reached_goal": round(self.reached, 4),
            "beats_best_of_n": self.beats,
        }


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and its bootstrap interval."""
    drawn = np.random.default_rng(1).choice(np.asarray(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return statistics.median(values), float(low), float(high)


def beats(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether the mean share is higher, by all of the bootstrap interval of the difference."""
    random = np.random.default_rng(2)
    means = [random.choice(np.asarray(values), size=(RESAMPLES, len(values))).mean(axis=1) for values in (ours, theirs)]
    return float(np.quantile(means[0] - means[1], (1 - CONFIDENCE) / 2)) > 0


def rows(curves: Curves) -> list[Row]:
    """A row for each strategy of one space."""
    last = {name: [share_at(list(curve), AT[-1]) for curve in found] for name, found in curves.items()}
    made = []
    for name, found in curves.items():
        counts = [needed(list(curve)) for curve in found]
        rival = last.get("best-of-n")
        made.append(
            Row(
                strategy=name,
                shares=tuple(interval([share_at(list(curve), at) for curve in found]) for at in AT),
                evaluations=statistics.median(math.inf if count is None else count for count in counts),
                reached=sum(count is not None for count in counts) / len(counts),
                beats=None if rival is None or name == "best-of-n" else beats(last[name], rival),
            )
        )
    return made


def table(title: str, found: Sequence[Row], longest: int) -> str:
    """Markdown."""
    yardstick = next((row.evaluations for row in found if row.strategy == "random"), math.inf)
    lines = [
        f"### {title}",
        "",
        f"| strategy | {' | '.join(f'at {at}' for at in AT)} | evaluations to 95 % | reached it | random's over ours | beats best-of-n |",
        f"|---|{'---|' * (len(AT) + 4)}",
    ]
    for row in found:
        shares = " | ".join(f"{100 * m:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for m, low, high in row.shares)
        took = f"> {longest}" if math.isinf(row.evaluations) else f"{row.evaluations:g}"
        said = "" if row.beats is None else "yes" if row.beats else "**no**"
        lines.append(f"| {row.strategy} | {shares} | {took} | {100 * row.reached:.0f} % | {_ratio(yardstick, row.evaluations)} | {said} |")
    return "\n".join([*lines, ""])


def _ratio(yardstick: float, ours: float) -> str:
    if math.isinf(ours):
        return "–"
    return "> 1" if math.isinf(yardstick) else f"{yardstick / ours:.2f}"


def claim(strategy: str, by_space: Mapping[str, Sequence[Row]]) -> str:
    """What the project claims of a strategy, held against the figures."""
    near, fewer = [], []
    for space, found in by_space.items():
        row = next((row for row in found if row.strategy == strategy), None)
        random = next((row for row in found if row.strategy == "random"), None)
        if row is None or random is None:
            return f"{strategy}: not run beside random"
        near += [space] if row.shares[-1][0] >= 0.95 else []
        fewer += [space] if row.evaluations <= random.evaluations / 2 and not math.isinf(row.evaluations) else []
    count = len(by_space)
    return (
        f"{strategy}: a median of at least 95 % after {AT[-1]} evaluations in {len(near)} of {count} spaces ({', '.join(near) or 'none'}); "
        f"at most half of random's evaluations in {len(fewer)} of {count} ({', '.join(fewer) or 'none'})"
    )
