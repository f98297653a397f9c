"""Numbered, seeded proposals: the part of `ask` that all strategies share."""

from __future__ import annotations

import random

from kernelsearch.model import Node, Proposal


class Proposals:
    """Makes proposals whose tickets and seeds go on where a journal ended: both depend on the ticket alone, not on history."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._next = 0

    @property
    def next_ticket(self) -> int:
        """The ticket of the proposal that is made next."""
        return self._next

    def make(
        self,
        parent: int,
        *,
        directive: str | None = None,
        others: tuple[int, ...] = (),
        note: str = "",
        apart: float = 0.0,
        repeat: bool = False,
    ) -> Proposal:
        """A proposal to edit `parent`, or to try it again."""
        ticket = self._next
        self._next += 1
        seed = random.Random(f"{self._seed}/{ticket}").getrandbits(48)
        return Proposal(ticket=ticket, parent=parent, seed=seed, directive=directive, others=others, note=note, apart=apart, repeat=repeat)

    def seen(self, node: Node) -> None:
        """Never reuse the ticket of `node`."""
        if node.attempt.proposal is not None:
            self._next = max(self._next, node.attempt.proposal.ticket + 1)
