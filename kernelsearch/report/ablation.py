"""What each term of a reward changes in what is chosen: the same record, scored with one weight at a time set to 0. Pure.

Two choices are looked at: which kernel is the best by reward in the end, and which parent greedy selection would have edited at each
step of the run, given what was recorded until then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelsearch.model import Node, Reward, RewardProfile
from kernelsearch.report.rescore import Agreement, Rewards, again, agreement, best
from kernelsearch.strategy import open_strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """A reward without one `term`, against the whole. `parents`: whom greedy selection would have edited at each step (None: nobody
    was left); `moved` are the steps, by the number of the node that was recorded there, at which that is another one."""

    term: str
    weight: float
    best: int
    agreement: Agreement
    parents: tuple[int | None, ...]
    moved: tuple[int, ...]


def ablate(nodes: Sequence[Node], profile: RewardProfile) -> tuple[Ablation, ...]:
    """One for each term that has a weight, in the profile's order."""
    whole = again(nodes, profile)
    usual = greedy_parents(nodes, whole)
    return tuple(_without(term, nodes, profile, whole, usual) for term, weight in profile.weights.items() if weight)


def _without(term: str, nodes: Sequence[Node], profile: RewardProfile, whole: Rewards, usual: tuple[int | None, ...]) -> Ablation:
    rewards = tuple(None if reward is None else lacking(reward, term) for reward in whole)
    parents = greedy_parents(nodes, rewards)
    return Ablation(
        term=term,
        weight=profile.weights[term],
        best=best(nodes, rewards),
        agreement=agreement(nodes, whole, rewards),
        parents=parents,
        moved=tuple(step for step, (one, other) in enumerate(zip(usual, parents, strict=True), 1) if one != other),
    )


def lacking(reward: Reward, name: str) -> Reward:
    """What the reward is where the weight of one term is 0; a closed gate stays what it is."""
    if reward.gate is not None:
        return reward
    terms = tuple(replace(term, weight=0.0, contribution=0.0) if term.name == name else term for term in reward.terms)
    return Reward(value=math.fsum(term.contribution for term in terms), terms=terms)


def greedy_parents(nodes: Sequence[Node], rewards: Rewards) -> tuple[int | None, ...]:
    """Whom greedy selection would have edited before each node after the baseline was recorded."""
    strategy = open_strategy("greedy", seed=0, options={})
    parents = []
    for node, reward in zip(nodes, rewards, strict=True):
        if node.number:
            proposal = strategy.ask()
            parents.append(None if proposal is None else proposal.parent)
        strategy.tell(replace(node, reward=reward))
    return tuple(parents)
