"""Independent edits of the baseline: the yardstick that every search has to beat."""

from __future__ import annotations

from kernelsearch.model import Node, Outcome, Proposal
from kernelsearch.strategy.proposals import Proposals


class BestOfN:
    """Always asks for another edit of node 0, until nothing more is known for it."""

    def __init__(self, *, seed: int) -> None:
        self._proposals = Proposals(seed)
        self._open = False

    def ask(self) -> Proposal | None:
        return self._proposals.make(0) if self._open else None

    def tell(self, node: Node) -> None:
        self._proposals.seen(node)
        if node.number == 0:
            self._open = node.passed
        elif node.attempt.outcome is Outcome.EXHAUSTED:
            self._open = False
