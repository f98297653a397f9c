"""Numbered, seeded proposals: the part of `ask` that all strategies share."""

from __future__ import annotations

import random

from kernelsearch.model import Node, Proposal


class Proposals:
    """Makes proposals whose tickets and seeds go on where a journal ended: both depend on the ticket alone, not on history."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._next = 0

    def make(self, parent: int) -> Proposal:
        """A proposal to edit `parent`."""
        ticket = self._next
        self._next += 1
        return Proposal(ticket=ticket, parent=parent, seed=random.Random(f"{self._seed}/{ticket}").getrandbits(48))

    def seen(self, node: Node) -> None:
        """Never reuse the ticket of `node`."""
        if node.attempt.proposal is not None:
            self._next = max(self._next, node.attempt.proposal.ticket + 1)
