"""Names the directive of a proposal: a bandit over what each directive brought on each bottleneck of this run.

An arm is a bottleneck and a directive. Only arms that fit the parent's diagnosis are looked at (`retrieve`), and the one with the highest
upper confidence bound is taken: UCB1 [Auer, Cesa-Bianchi, Fischer 2002], in which a directive's own promise counts for its first tries,
since a search of some forty attempts cannot try every arm once.

- A reward is the class of an outcome (best, better, accept, reject), not a speed-up: speed-ups are heavy-tailed, so one of 20 would make
  all others look alike on any scale that UCB1 admits, and what a directive brings depends on what is left to gain.
- An arm whose last few tries all brought nothing is worn out: it counts as if it had never brought more than those. It gets a new chance
  when the run has a new best, for what was worn out on one kernel may help on the next. (MABFuzz, arXiv 2311.14594, resets such an arm.)
- What was carried out on this parent, on the way to it, or on one of its ancestors is expected to bring less: a tree has many kernels that
  differ in trifles, and the same step from each of them leads to the same place. There it counts as no gain either.
- A proposer with an order of its own (the rules) is one more arm: leaving the choice to it, where a diagnosis may be wrong or is used up.
- A directive is a wish. What was carried out instead gets the credit; the wish gets none, and is not made again for that parent.

State comes from `tell` alone, so resuming is telling the journal. `choose` costs time by the number of arms, by the parent's depth and its
own children, and nothing by the size of the tree.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernelsearch.model import BanditSettings, Context, Directive, Hardware, Node, Proposal, Resource, Task
from kernelsearch.playbook.book import Playbook
from kernelsearch.playbook.outcome import Worth, tried, worth
from kernelsearch.playbook.retrieve import Found, retrieve
from kernelsearch.playbook.situation import situation

_OWN = ""  # the arm of leaving the choice to the proposer


@dataclass(slots=True)
class _Arm:
    """What a directive brought on one bottleneck. `recent` are its last rewards, as many as the window."""

    recent: deque[float]
    tries: int = 0
    total: float = 0.0
    worn: bool = False

    def learn(self, reward: float, gain: float) -> None:
        """One more try. `gain` is the least reward that counts as having brought something."""
        self.tries += 1
        self.total += reward
        self.recent.append(reward)
        full = len(self.recent) == self.recent.maxlen
        self.worn = full and max(self.recent) < gain
        if self.worn:
            self.total = self.tries * math.fsum(self.recent) / len(self.recent)

    def forget(self) -> None:
        self.tries, self.total, self.worn = 0, 0.0, False
        self.recent.clear()


@dataclass(slots=True)
class _Tries:
    """What the children of one parent say of the directives."""

    done: Counter[str] = field(default_factory=Counter)
    unmet: set[str] = field(default_factory=set)  # asked for, and something else was done


Able = Callable[[Directive, Context], bool]


class Chooser:
    """Not thread-safe: the main thread of a run alone calls it. `able` says whether the proposer has an edit left that carries a directive
    out, and then it has an order of its own, too; without it every directive counts as one that can be."""

    def __init__(
        self,
        book: Playbook,
        settings: BanditSettings,
        *,
        task: Task | None = None,
        hardware: Hardware | None = None,
        able: Able | None = None,
    ) -> None:
        self._book = book
        self._set = settings
        self._task, self._hardware = task, hardware
        self._able = able
        self._done: dict[int, dict[str, float]] = {}  # by parent: directives carried out on it, with the shortest time that each gave
        self._parents: dict[int, int] = {}
        self._arms: dict[tuple[Resource | None, str], _Arm] = {}
        self._pulls: Counter[Resource | None] = Counter()

    def choose(self, proposal: Proposal, context: Context) -> Proposal:
        """`proposal` with a directive, where it has none, asks for an edit of a kernel that passed, and a directive fits."""
        parent = context.parent
        if proposal.directive is not None or proposal.repeat or parent.candidate is None or not parent.passed:
            return proposal
        given = situation(parent.candidate.source, parent.evaluation, self._task, self._hardware)
        tries = self._tries(context.siblings)
        fitting = [f for f in retrieve(self._book, given, saturated=self._set.saturated) if f.directive.name not in tries.unmet]
        for name in self._best(fitting, given.resource, self._expected(context, tries), proposal.seed):
            if name == _OWN:
                return proposal
            if self._able is None or self._able(self._book[name], context):
                return replace(proposal, directive=name)
        return proposal

    def tell(self, node: Node, parent: Node | None) -> None:
        """Learn what became of an attempt at `parent`."""
        proposal = node.attempt.proposal
        if proposal is None or parent is None or not parent.passed or not tried(node):
            return
        limit = _bottleneck(parent)
        outcome = worth(node, parent, effect=self._set.effect)
        asked, done = self._book.get(proposal.directive), self._book.done(node)
        self._parents[node.number] = parent.number
        if done is not None:
            self._learn(limit, done.name, Worth.ACCEPT if outcome is Worth.BETTER and self._known(node, parent, done.name) else outcome)
            times = self._done.setdefault(parent.number, {})
            times[done.name] = min(times.get(done.name, math.inf), node.time_us or math.inf)
        if asked is not None and asked is not done:
            self._learn(limit, asked.name, Worth.REJECT)
        if proposal.directive is None and not proposal.by_hand:
            self._learn(limit, _OWN, outcome)
        if outcome is Worth.BEST:
            for arm in self._arms.values():
                if arm.worn:
                    arm.forget()

    def _known(self, node: Node, parent: Node, name: str) -> bool:
        """Whether the directive gave as short a time on an ancestor of `parent` already."""
        time_us, ancestor = node.time_us or math.inf, self._parents.get(parent.number)
        while ancestor is not None:
            if self._done.get(ancestor, {}).get(name, math.inf) <= time_us * (1.0 + self._set.effect):
                return True
            ancestor = self._parents.get(ancestor)
        return False

    def _learn(self, limit: Resource | None, name: str, outcome: Worth) -> None:
        arm = self._arms.setdefault((limit, name), _Arm(deque(maxlen=self._set.window)))
        arm.learn(self._set.classes[outcome.value], self._set.classes[Worth.BETTER.value])
        self._pulls[limit] += 1

    def _tries(self, siblings: Sequence[Node]) -> _Tries:
        found = _Tries()
        for node in filter(tried, siblings):
            done = self._book.done(node)
            asked = None if node.attempt.proposal is None else node.attempt.proposal.directive
            if done is not None:
                found.done[done.name] += 1
            if asked is not None and node.candidate is not None and (done is None or done.name != asked):
                found.unmet.add(asked)
        return found

    def _expected(self, context: Context, tries: _Tries) -> dict[str, float]:
        """The share of what a directive brings elsewhere that is expected of it on this parent; 1 for those not named."""
        before = {name for node in context.lineage for name in self._done.get(node.number, ())}
        way = Counter(done.name for node in (context.parent, *context.lineage) if (done := self._book.done(node)) is not None)
        return {name: 1.0 / (1.0 + tries.done[name] + way[name] + (name in before)) for name in {*tries.done, *way, *before}}

    def _best(self, fitting: Sequence[Found], limit: Resource | None, expected: Mapping[str, float], seed: int) -> list[str]:
        """Names by their bounds, the highest first; among those that are as good as equal to the highest the seed decides."""
        promises = {found.directive.name: found.promise for found in fitting}
        if self._able is not None:
            promises[_OWN] = self._set.own
        bounds = {name: self._bound((limit, name), promise, expected.get(name, 1.0)) for name, promise in promises.items()}
        enough, chance = max(bounds.values(), default=0.0) - self._set.tie, random.Random(seed)
        order = sorted((-min(bound, enough), chance.random(), name) for name, bound in bounds.items())
        return [name for _, _, name in order]

    def _bound(self, key: tuple[Resource | None, str], promise: float, share: float) -> float:
        """Mean, times what is expected of it here, and exploration bonus; a promise counts as the chance to be better than the parent."""
        arm = self._arms.get(key)
        tries, total = (0, 0.0) if arm is None else (arm.tries, arm.total)
        weight = tries + self._set.prior
        mean = (total + self._set.prior * promise * self._set.classes[Worth.BETTER.value]) / weight
        return mean * share + self._set.exploration * math.sqrt(math.log(1 + self._pulls[key[0]]) / weight)


def _bottleneck(node: Node) -> Resource | None:
    profile = None if node.evaluation is None else node.evaluation.profile
    return None if profile is None or profile.bottleneck is None else profile.bottleneck.resource
