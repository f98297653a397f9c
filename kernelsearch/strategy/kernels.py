"""What the told nodes say of each kernel: the part of `tell` that all strategies share.

A kernel is a node that passed and can be edited. All that is kept here is a fold over the told nodes, and what `ask` adds (attempts under
way) is taken back when the answer comes. So a strategy that is told a journal stands where one stands that never stopped.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from kernelsearch.model import Node, Outcome, Proposal, TimeKind
from kernelsearch.strategy.proposals import Proposals

_SPEEDUP = "speedup"  # the term of a reward whose raw is a logarithm to base 2 of a ratio of times


@dataclass(slots=True, eq=False)
class Kernel:
    """A kernel that passed. `value` is the mean reward over its trials; `margin` says how far off that may be."""

    number: int
    parent: Kernel | None
    depth: int
    directive: str = ""  # of the edit that made it
    trials: int = 0
    total: float = 0.0
    doubt: float = 0.0  # half the interval of one trial, in reward; 0 where times have no noise
    attempts: int = 0  # edits that were answered, whatever became of them
    barren: int = 0  # of those, the last ones in a row that gave no kernel
    children: int = 0
    pending: int = 0  # edits under way
    repeating: int = 0  # trials under way
    exhausted: bool = False  # the proposer knows nothing more for it

    @property
    def value(self) -> float:
        return self.total / self.trials

    @property
    def margin(self) -> float:
        return self.doubt / math.sqrt(self.trials)

    @property
    def gain(self) -> float:
        """Over its parent; 0 for the baseline."""
        return 0.0 if self.parent is None else self.value - self.parent.value


@dataclass(frozen=True, slots=True)
class Answer:
    """A told node in the terms of a strategy. `kernel` is new, unless `repeated`: then it is the one that had another trial."""

    node: Node
    parent: Kernel | None
    kernel: Kernel | None = None
    repeated: bool = False

    @property
    def exhausted(self) -> bool:
        return self.node.attempt.outcome is Outcome.EXHAUSTED

    @property
    def by_hand(self) -> bool:
        """Nobody was asked for it: the owner of the run added it."""
        return self.node.attempt.proposal is not None and bool(self.node.attempt.proposal.by_hand)

    @property
    def says_nothing(self) -> bool:
        """A person's failure: it tells nothing of what we might do."""
        return self.by_hand and self.kernel is None

    @property
    def barren(self) -> bool:
        """An edit was tried and gave nothing that could be edited further."""
        return self.kernel is None and self.parent is not None and not (self.exhausted or self.repeated or self.says_nothing)


class Kernels:
    """All kernels by node number, and the tickets under way."""

    def __init__(self, seed: int) -> None:
        self.by_number: dict[int, Kernel] = {}
        self.answered = 0  # attempts told; the baseline, EXHAUSTED and what was added by hand left out
        self._seed = seed
        self._proposals = Proposals(seed)
        self._asked: dict[int, bool] = {}  # ticket -> whether it is a repeat

    @property
    def root(self) -> Kernel | None:
        """The baseline; None until it was told, and when it failed."""
        return self.by_number.get(0)

    @property
    def next_ticket(self) -> int:
        return self._proposals.next_ticket

    @property
    def under_way(self) -> int:
        return len(self._asked)

    def asked(self, ticket: int) -> bool:
        """Whether the attempt with this ticket is under way; False for one that an earlier session asked for."""
        return ticket in self._asked

    def chance(self, ticket: int) -> random.Random:
        """A source of chance of the strategy's own for one ticket."""
        return random.Random(f"{self._seed}/strategy/{ticket}")

    def edit(
        self, kernel: Kernel, *, directive: str | None = None, others: tuple[int, ...] = (), note: str = "", apart: float = 0.0
    ) -> Proposal:
        """Ask for an edit of `kernel`."""
        proposal = self._proposals.make(kernel.number, directive=directive, others=others, note=note, apart=apart)
        kernel.pending += 1
        self._asked[proposal.ticket] = False
        return proposal

    def repeat(self, kernel: Kernel) -> Proposal:
        """Ask for another trial of `kernel`."""
        proposal = self._proposals.make(kernel.number, repeat=True)
        kernel.repeating += 1
        self._asked[proposal.ticket] = True
        return proposal

    def tell(self, node: Node) -> Answer:
        """Take in a node, asked for by this object or read from a journal."""
        self._proposals.seen(node)
        parent = None if node.parent is None else self.by_number.get(node.parent)
        by_hand = node.attempt.proposal is not None and bool(node.attempt.proposal.by_hand)
        if parent is None and by_hand:
            parent = self.root  # what mends a kernel that failed has no kernel above it
        self._settle(node, parent)
        if node.attempt.outcome is Outcome.EXHAUSTED:
            if parent is not None:
                parent.exhausted = True
            return Answer(node, parent)
        self.answered += node.attempt.proposal is not None and not by_hand
        if node.attempt.outcome is Outcome.REPEATED or (node.attempt.proposal is not None and node.attempt.proposal.repeat):
            if parent is not None and node.reward is not None:
                self._try(parent, node)
            return Answer(node, parent, parent, repeated=True)
        kernel = self._enter(node, parent)
        answer = Answer(node, parent, kernel)
        if parent is not None and not answer.says_nothing:
            parent.attempts += 1
            parent.children += kernel is not None
            parent.barren = 0 if kernel is not None else parent.barren + 1
        return answer

    def _settle(self, node: Node, parent: Kernel | None) -> None:
        if node.attempt.proposal is None or parent is None:
            return
        repeat = self._asked.pop(node.attempt.proposal.ticket, None)
        if repeat is True:
            parent.repeating -= 1
        elif repeat is False:
            parent.pending -= 1

    def _enter(self, node: Node, parent: Kernel | None) -> Kernel | None:
        if node.attempt.outcome is not Outcome.EVALUATED or not node.passed or node.reward is None:
            return None
        directive = "" if node.candidate is None or parent is None else node.candidate.origin.directive
        kernel = Kernel(number=node.number, parent=parent, depth=0 if parent is None else parent.depth + 1, directive=directive)
        self.by_number[node.number] = kernel
        self._try(kernel, node)
        return kernel

    def _try(self, kernel: Kernel, node: Node) -> None:
        """Add a trial. A repeat that failed counts with what failing is worth: what fails by times is not to be built on."""
        if node.reward is None:
            return
        kernel.trials += 1
        kernel.total += node.reward.value
        kernel.doubt = max(kernel.doubt, doubt(node))


def doubt(node: Node) -> float:
    """Half the width of the interval around a node's reward, as far as it comes from its time. 0 for modelled times: they have no noise."""
    measurement = None if node.evaluation is None else node.evaluation.measurement
    if measurement is None or measurement.kind is TimeKind.MODELLED or node.reward is None:
        return 0.0
    weight = next((term.weight for term in node.reward.terms if term.name == _SPEEDUP), 1.0)
    if measurement.interval is not None and measurement.interval.low > 0:
        return abs(weight) * math.log2(measurement.interval.high / measurement.interval.low) / 2
    return abs(weight) * math.log2(1.0 + measurement.spread) / 2
