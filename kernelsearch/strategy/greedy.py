"""Hill climbing: edit the fastest kernel so far; when nothing more is known for it, the next fastest."""

from __future__ import annotations

import heapq

from kernelsearch.model import Node, Outcome, Proposal
from kernelsearch.strategy.proposals import Proposals


class Greedy:
    """Orders by reward, so gates and guardrails count. `patience`: failures of one parent in a row before the next is tried."""

    def __init__(self, *, seed: int, patience: float = 8) -> None:
        self._proposals = Proposals(seed)
        self._patience = patience
        self._heap: list[tuple[float, int]] = []  # (-reward, node number): the best open parent first, the older of equals
        self._failures: dict[int, int] = {}

    def ask(self) -> Proposal | None:
        return self._proposals.make(self._heap[0][1]) if self._heap else None

    def tell(self, node: Node) -> None:
        self._proposals.seen(node)
        by_hand = node.attempt.proposal is not None and bool(node.attempt.proposal.by_hand)
        if node.parent is not None and node.attempt.outcome is not Outcome.REPEATED and not by_hand:
            self._learn_of_parent(node, node.parent)
        if node.passed and node.attempt.outcome is Outcome.EVALUATED and node.reward is not None:
            heapq.heappush(self._heap, (-node.reward.value, node.number))

    def _learn_of_parent(self, node: Node, parent: int) -> None:
        if not self._heap or self._heap[0][1] != parent:
            return  # a late answer for a parent that has been left behind
        better = node.reward is not None and node.reward.value > -self._heap[0][0]
        self._failures[parent] = 0 if better else self._failures.get(parent, 0) + 1
        if node.attempt.outcome is Outcome.EXHAUSTED or self._failures[parent] >= self._patience:
            heapq.heappop(self._heap)
