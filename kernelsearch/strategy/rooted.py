"""Thoughts before the search: each is one edit of the baseline along a direction named in advance; what passes are the roots of the rest.

This is no strategy of its own: whatever strategy the run has is asked once all thoughts are answered, and was told of them like of any
other attempt. So resuming, budgets and reports need to know nothing. That the strategy waits keeps tickets apart, and lets it begin with
all roots in sight.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernelsearch.model import Node, Proposal, Thought
from kernelsearch.strategy.base import Strategy
from kernelsearch.strategy.proposals import Proposals


def rooted(strategy: Strategy, thoughts: Sequence[Thought], *, seed: int) -> Strategy:
    """`strategy`, after `thoughts` if there are any."""
    return Rooted(strategy, thoughts, seed=seed) if thoughts else strategy


class Rooted:
    """The thought with number i has the ticket i, also in a resumed run."""

    def __init__(self, strategy: Strategy, thoughts: Sequence[Thought], *, seed: int) -> None:
        self._strategy = strategy
        made = Proposals(seed)
        self._open = {p.ticket: p for p in (made.make(0, directive=thought.title, note=thought.plan) for thought in thoughts)}
        self._asked: set[int] = set()  # by this object, and not answered yet
        self._ready = False

    def ask(self) -> Proposal | None:
        if not self._ready:
            return None
        if not self._open:
            return self._strategy.ask()
        ticket = next((ticket for ticket in self._open if ticket not in self._asked), None)
        if ticket is None:
            return None
        self._asked.add(ticket)
        return self._open[ticket]

    def tell(self, node: Node) -> None:
        self._ready = self._ready or node.passed
        if node.attempt.proposal is not None:
            self._open.pop(node.attempt.proposal.ticket, None)
            self._asked.discard(node.attempt.proposal.ticket)
        self._strategy.tell(node)
