"""Which model of a pool makes the next attempt: by shares, or by what each has brought for its price.

Said in the proposal before the attempt begins, by the thread that owns the run. State comes from `tell` and from what was asked in this
session alone, so a resumed run is told its journal and goes on as it would have.

With shares, the member that is furthest behind its share is asked. The bandit draws for each member what an attempt may bring, from a Beta
distribution over what its attempts brought, and asks the member with the most for its price (Thompson sampling with costs). An attempt
costs its tokens and the time of the GPU that judges it; without the second, a model that costs nothing would be all that is ever asked.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelsearch.llm.pool import Member
from kernelsearch.model import Node, Outcome, Proposal

JUDGING_USD = 0.01  # of one attempt: some 12 s of a GPU at 3 USD an hour
_PASSED = 0.1  # what a kernel that passes is worth when it is no faster than its parent; twice as fast is worth 1


@dataclass(slots=True)
class _Account:
    """What became of one member's attempts."""

    asked: int = 0
    told: int = 0
    brought: float = 0.0
    usd: float = 0.0


class Allotment:
    """For one run; not thread-safe, as the run's own thread alone asks and tells."""

    def __init__(self, members: Sequence[Member], *, by_price: bool) -> None:
        self._members = tuple(members)
        self._by_price = by_price
        self._accounts = {member.name: _Account() for member in members}
        self._seen: set[int] = set()  # tickets whose model is counted as asked

    def choose(self, proposal: Proposal) -> Proposal:
        """`proposal` with the model that is to be asked; one that names it already is left as it is."""
        if proposal.model or proposal.repeat:
            return proposal
        name = self._worthiest(proposal.seed) if self._by_price else self._furthest_behind()
        self._accounts[name].asked += 1
        self._seen.add(proposal.ticket)
        return replace(proposal, model=name)

    def tell(self, node: Node, parent: Node | None) -> None:
        """Take in what an attempt brought and cost."""
        proposal = node.attempt.proposal
        account = None if proposal is None else self._accounts.get(proposal.model)
        if proposal is None or account is None:
            return
        if proposal.ticket not in self._seen:
            self._seen.add(proposal.ticket)
            account.asked += 1
        account.told += 1
        account.usd += node.attempt.usage.usd
        account.brought += brought(node, parent)

    def _furthest_behind(self) -> str:
        return min(self._members, key=lambda member: (self._accounts[member.name].asked + 1) / member.share).name

    def _worthiest(self, seed: int) -> str:
        chance = random.Random(f"allot {seed}")
        told = sum(account.told for account in self._accounts.values())
        usual = sum(account.usd for account in self._accounts.values()) / max(told, 1)

        def worth(member: Member) -> float:
            account = self._accounts[member.name]
            drawn = chance.betavariate(1 + account.brought, 1 + account.told - account.brought)
            price = (account.usd + usual) / (account.told + 1)  # before anything is known of it, a member costs what all cost
            return drawn / (price + JUDGING_USD)

        return max(self._members, key=worth).name


def brought(node: Node, parent: Node | None) -> float:
    """What an attempt is worth, from 0 to 1: a kernel that passes a little, the rest by how much faster than its parent it is."""
    if node.attempt.outcome is not Outcome.EVALUATED or not node.passed:
        return 0.0
    ours = node.evaluation.measurement if node.evaluation else None
    theirs = parent.evaluation.measurement if parent and parent.evaluation else None
    if ours is None or theirs is None or ours.kind is not theirs.kind:
        return _PASSED
    gained = math.log2(theirs.time_us / ours.time_us)
    return _PASSED + (1 - _PASSED) * min(1.0, max(0.0, gained))
