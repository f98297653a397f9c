"""What the roles of a run took, and how the judge's predictions compare with what happened. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kernelsearch.model import Node, Outcome, Prediction, Usage
from kernelsearch.model.roles import CODER, ROLES
from kernelsearch.playbook.outcome import speedup
from kernelsearch.report.words import geometric_mean

_RISKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SPEEDS = (0.0, 0.95, 1.05, 1.5, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Of one role. `attempts` in which it was asked; `without` in which it was done without."""

    role: str
    attempts: int
    without: int
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Predictions from `low` up to `high`: how many, their mean, and the mean of what happened."""

    low: float
    high: float
    count: int
    predicted: float
    happened: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`risks`: probability of failing against the share that failed before any repair. `speedups`: of those that passed at once, over the
    parent, as geometric means. `brier` is the mean squared error of the risks, `brier_of_rate` that of always saying the share that failed.
    `ordered`: of two edits with different speed-ups, how often the prediction puts the faster one first; None where there are no two."""

    risks: tuple[Bin, ...]
    speedups: tuple[Bin, ...]
    brier: float
    brier_of_rate: float
    ordered: float | None


def spent(nodes: Sequence[Node]) -> tuple[Spent, ...]:
    """By role, in their usual order. An attempt on whose record no roles stand was the coder's."""
    found = []
    for role in ROLES:
        usages = [_by_role(node).get(role) for node in nodes]
        asked = [usage for usage in usages if usage is not None and usage.calls]
        without = sum(any(f"the {role}" in note for note in node.attempt.team.notes) for node in nodes)
        if asked or without:
            found.append(Spent(role=role, attempts=len(asked), without=without, usage=sum(asked, Usage())))
    return tuple(found)


def repaired(nodes: Sequence[Node]) -> tuple[int, int]:
    """How many attempts were repaired until they passed, and how many were not in spite of repairs."""
    tried = [node for node in nodes if node.attempt.team.mended]
    passed = sum(node.passed for node in tried)
    return passed, len(tried) - passed


def calibration(nodes: Sequence[Node]) -> Calibration | None:
    """None where nothing was predicted of an edit that was judged."""
    told = [(node, node.attempt.team.prediction) for node in nodes if node.attempt.outcome is Outcome.EVALUATED]
    pairs = [(node, prediction) for node, prediction in told if prediction is not None]
    if not pairs:
        return None
    risks = [(prediction.risk, float(_failed_at_once(node))) for node, prediction in pairs]
    rate = sum(failed for _, failed in risks) / len(risks)
    speeds = _speeds(pairs, nodes)
    return Calibration(
        risks=_bins(risks, _RISKS, logarithmic=False),
        speedups=_bins(speeds, _SPEEDS, logarithmic=True),
        brier=sum((risk - failed) ** 2 for risk, failed in risks) / len(risks),
        brier_of_rate=rate * (1 - rate),
        ordered=_ordered(speeds),
    )


def _by_role(node: Node) -> dict[str, Usage]:
    attempt = node.attempt
    return dict(attempt.team.usage) or {CODER: attempt.usage}


def _failed_at_once(node: Node) -> bool:
    return bool(node.attempt.team.mended) or not node.passed


def _speeds(pairs: Sequence[tuple[Node, Prediction]], nodes: Sequence[Node]) -> list[tuple[float, float]]:
    found = []
    for node, prediction in pairs:
        ratio = None if node.parent is None or _failed_at_once(node) else speedup(node, nodes[node.parent])
        if ratio is not None:
            found.append((prediction.speedup, ratio))
    return found


def _bins(pairs: Sequence[tuple[float, float]], edges: Sequence[float], *, logarithmic: bool) -> tuple[Bin, ...]:
    found = []
    for low, high in pairwise(edges):
        inside = [pair for pair in pairs if low <= pair[0] < high or (pair[0] == high == edges[-1])]
        if inside:
            predicted, happened = (_mean([pair[place] for pair in inside], logarithmic) for place in (0, 1))
            found.append(Bin(low=low, high=high, count=len(inside), predicted=predicted, happened=happened))
    return tuple(found)


def _mean(values: Sequence[float], logarithmic: bool) -> float:
    return (geometric_mean(values) or 0.0) if logarithmic else sum(values) / len(values)


def _ordered(pairs: Sequence[tuple[float, float]]) -> float | None:
    """A tie in the prediction counts half."""
    points = [
        0.5 if one[0] == other[0] else float((one[0] > other[0]) == (one[1] > other[1]))
        for place, one in enumerate(pairs)
        for other in pairs[place + 1 :]
        if one[1] != other[1]
    ]
    return sum(points) / len(points) if points else None
