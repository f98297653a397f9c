"""The rewards of a run computed again from its record alone, and how far two rankings of its kernels agree. Pure.

Ranked are kernels that were evaluated and passed: failures lie below them whatever the weights are, and a duplicate is its original.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.model import Node, Outcome, Reward, RewardProfile
from kernelsearch.score import score

Rewards = tuple[Reward | None, ...]  # by node number; None where there was nothing to score
_SAME = 1e-12  # between a sum and itself, written and read


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescored:
    """What `rescore --write` keeps beside a run."""

    profile: RewardProfile
    rewards: Rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of two rankings: Kendall's tau-b (None where one of them puts all on one place), and the pairs that change places of all."""

    tau: float | None
    swapped: int
    pairs: int


def again(nodes: Sequence[Node], profile: RewardProfile) -> Rewards:
    """What the run would have recorded with `profile`."""
    baseline = nodes[0].evaluation
    return tuple(None if baseline is None or (own := node.evaluation) is None else score(own, baseline, profile) for node in nodes)


def recorded(nodes: Sequence[Node]) -> Rewards:
    return tuple(node.reward for node in nodes)


def differing(one: Rewards, other: Rewards) -> tuple[int, ...]:
    """The nodes whose two rewards are not the same number, or not of the same kind."""
    return tuple(number for number, (first, second) in enumerate(zip(one, other, strict=True)) if not _same(first, second))


def _same(one: Reward | None, other: Reward | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.gate == other.gate and math.isclose(one.value, other.value, rel_tol=_SAME, abs_tol=_SAME)


def ranked(nodes: Sequence[Node], rewards: Rewards) -> tuple[int, ...]:
    """Numbers of the nodes that can be chosen, the most rewarded first, the older of equals before the younger."""
    values = _values(nodes, rewards)
    return tuple(sorted(values, key=lambda number: (-values[number], number)))


def best(nodes: Sequence[Node], rewards: Rewards) -> int:
    """The most rewarded kernel; the baseline where there is none."""
    return next(iter(ranked(nodes, rewards)), 0)


def _values(nodes: Sequence[Node], rewards: Rewards) -> Mapping[int, float]:
    chosen = ((node, reward) for node, reward in zip(nodes, rewards, strict=True) if reward is not None)
    return {node.number: reward.value for node, reward in chosen if node.passed and node.attempt.outcome is Outcome.EVALUATED}


def agreement(nodes: Sequence[Node], one: Rewards, other: Rewards) -> Agreement:
    """How far two sets of rewards rank the kernels of a run alike, of those that both have a value for."""
    first, second = _values(nodes, one), _values(nodes, other)
    return kendall([(first[number], second[number]) for number in first if number in second])


def kendall(points: Sequence[tuple[float, float]]) -> Agreement:
    """Knight's algorithm: sorted by the one, the inversions of the other are the pairs that disagree. n log n."""
    pairs = _choose(len(points))
    tied_first = _tied(x for x, _ in points)
    tied_second = _tied(y for _, y in points)
    tied_both = _tied(points)
    _, swapped = _inversions([y for _, y in sorted(points)])
    scale = math.sqrt((pairs - tied_first) * (pairs - tied_second))
    tau = (pairs - tied_first - tied_second + tied_both - 2 * swapped) / scale if scale else None
    return Agreement(tau=tau, swapped=swapped, pairs=pairs)


def _choose(count: int) -> int:
    return count * (count - 1) // 2


def _tied(values: Iterable[Hashable]) -> int:
    return sum(map(_choose, Counter(values).values()))


def _inversions(values: list[float]) -> tuple[list[float], int]:
    """Sorted, and how many pairs stood in the wrong order."""
    if len(values) < 2:
        return values, 0
    (left, count), (right, more) = _inversions(values[: len(values) // 2]), _inversions(values[len(values) // 2 :])
    merged, place, count = [], 0, count + more
    for value in right:
        while place < len(left) and left[place] <= value:
            merged.append(left[place])
            place += 1
        merged.append(value)
        count += len(left) - place
    return merged + left[place:], count
