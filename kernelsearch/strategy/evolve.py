"""Evolution with reflection on islands: ReEvo (arXiv 2402.01145) and AEL (arXiv 2311.15249) in small steps.

Each answer makes room for itself in the population of its island, and each ask draws parents from there, so that nothing waits for a
generation to end. Which island an attempt belongs to, and its chances, follow from its ticket alone.

- Start: `initial` edits of the baseline on each island (ReEvo 30 of 100 evaluations; fewer here, where budgets are smaller).
- Parents by tournament of `tournament`; on small populations that is near ReEvo's uniform choice, with a lean to the better.
- Crossover of two parents whose rewards differ, or with the chance `mutation` (0.5 in ReEvo) an edit of one. The better parent is
  edited; the other one goes along, the directive that made it is wished for, and a note says which was faster, as ReEvo's
  short-term reflection does. What worked on the whole, its long-term
  reflection, stands in every prompt (`propose.lessons`).
- Every `migration` answers the best of each island is also counted among those of the next.
- A population holds `size` kernels in all islands together (10 in ReEvo). When an island has nothing left that can be
  edited, kernels that had to leave a population come back, the best first.
"""

from __future__ import annotations

import heapq
import random
from bisect import insort

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.kernels import Kernel, Kernels

_TRIES = 4  # draws of a second parent that differs from the first


class Evolve:
    """Options: `islands`, `size` of all populations together, `initial` edits of the baseline on each, `tournament`, `mutation`,
    `migration`."""

    def __init__(
        self,
        *,
        seed: int,
        islands: float = 2,
        size: float = 10,
        initial: float = 4,
        tournament: float = 6,
        mutation: float = 0.5,
        migration: float = 16,
    ) -> None:
        self._kernels = Kernels(seed)
        self._size = max(2, int(size) // max(1, int(islands)))
        self._islands: list[list[tuple[float, int, Kernel]]] = [[] for _ in range(max(1, int(islands)))]  # (-value, number, kernel)
        self._initial, self._tournament, self._mutation = int(initial), max(1, int(tournament)), mutation
        self._migration = max(1, int(migration))
        self._reserve: list[tuple[float, int]] = []  # heap of (-value, number): every kernel, those in a population as well

    def ask(self) -> Proposal | None:
        ticket, root = self._kernels.next_ticket, self._kernels.root
        if root is None:
            return None
        island = ticket % len(self._islands)
        if ticket < self._initial * len(self._islands) and not root.exhausted:
            return self._kernels.edit(root)
        chance = self._kernels.chance(ticket)
        members = [kernel for _, _, kernel in self._islands[island] if not kernel.exhausted]
        if not members:
            kernel = self._fallen_back_on()
            return None if kernel is None else self._mutated(kernel)
        first = self._drawn(members, chance)
        if chance.random() >= self._mutation and (second := self._partner(first, island, chance)) is not None:
            return self._crossed(first, second)
        return self._mutated(first)

    def tell(self, node: Node) -> None:
        proposal = node.attempt.proposal
        answer = self._kernels.tell(node)
        if answer.repeated or answer.says_nothing:
            return
        if answer.kernel is not None:
            heapq.heappush(self._reserve, (-answer.kernel.value, answer.kernel.number))
            for island in range(len(self._islands)) if proposal is None or answer.by_hand else (proposal.ticket % len(self._islands),):
                self._settle(answer.kernel, island)
        if answer.exhausted and answer.parent is not None:
            for island, members in enumerate(self._islands):
                self._islands[island] = [entry for entry in members if entry[2] is not answer.parent]
        elif self._kernels.answered and self._kernels.answered % self._migration == 0:
            self._migrate()

    def _settle(self, kernel: Kernel, island: int) -> None:
        members = self._islands[island]
        if not kernel.exhausted and all(entry[2] is not kernel for entry in members):
            insort(members, (-kernel.value, kernel.number, kernel))
            del members[self._size :]

    def _migrate(self) -> None:
        """The best of each island to the next, all at once."""
        best = [members[0][2] if members else None for members in self._islands]
        for island, kernel in enumerate(best):
            if kernel is not None:
                self._settle(kernel, (island + 1) % len(self._islands))

    def _fallen_back_on(self) -> Kernel | None:
        while self._reserve:
            kernel = self._kernels.by_number[self._reserve[0][1]]
            if not kernel.exhausted:
                return kernel
            heapq.heappop(self._reserve)
        return None

    def _drawn(self, members: list[Kernel], chance: random.Random) -> Kernel:
        return max((chance.choice(members) for _ in range(self._tournament)), key=lambda kernel: (kernel.value, -kernel.number))

    def _partner(self, first: Kernel, island: int, chance: random.Random) -> Kernel | None:
        """Another parent from the island, of another reward. It need not be open: it is drawn on, not edited."""
        members = [kernel for _, _, kernel in self._islands[island]]
        drawn = (chance.choice(members) for _ in range(_TRIES))
        return next((kernel for kernel in drawn if kernel.value != first.value), None)

    def _mutated(self, kernel: Kernel) -> Proposal:
        return self._kernels.edit(kernel)

    def _crossed(self, first: Kernel, second: Kernel) -> Proposal:
        better, worse = (first, second) if first.value >= second.value else (second, first)
        if better.exhausted:
            better, worse = worse, better
        note = f"Kernel {better.number} scores {better.value:.3f}, kernel {worse.number} {worse.value:.3f}"
        note += f", which came about by {worse.directive!r}" if worse.directive else ""
        note += ". Ask what makes the one better than the other, and carry over to the first what is good in the second."
        return self._kernels.edit(better, directive=worse.directive or None, others=(worse.number,), note=note)
