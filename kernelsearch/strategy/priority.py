"""POLCA: a priority queue on the mean reward over trials (arXiv 2603.14769).

Rounds: the first `candidates` kernels of the queue are taken up, each is asked for `proposals` edits, and all go back with what was
learned. In the first round there is only the baseline, taken up `candidates` times: the paper's queue begins with that many copies of it.
Which round an attempt belongs to follows from its ticket, so that answers may come late and in any order.

- Priority: the empirical mean (c = 0, the paper's default), or its UCB: mean + c sqrt(ln(t+1)/n) (max - min). The paper tries a
  candidate once each time it is taken up, so n counts edits and trials. It takes c = 1 and cuts off at the best reward known; our best
  kernel stands at that cut, and would never be left, so nothing is cut and c is small. Of equals the newer goes first.
- `candidates`: the paper takes up 5 at a time, which keeps five models busy; one at a time reaches the same with fewer evaluations.
- `apart`: the paper's epsilon-net. Whatever lies nearer than that to a kernel judged before is not evaluated. It measures
  embeddings (epsilon 0.02 on KernelBench), we the structure of the source, where a changed number in a kernel of a thousand tokens is
  0.01 apart: 0.002 refuses what is the same but for names, and lets a changed block size pass.
- `refresh`: the share of attempts that try a contender again. The paper does it at every turn, which doubles the evaluations; we only
  where intervals overlap, since our times come in pairs and have little noise.
- What worked and what failed so far, which the paper keeps in each prompt, stands there whatever the strategy (`propose.lessons`).
- Nothing answers stagnation: what was tried did not help, as in `mcts`; a bonus that grew with it was clearly worse.
"""

from __future__ import annotations

import heapq
import math

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.contenders import Contenders
from kernelsearch.strategy.kernels import Kernel, Kernels

_COUNTED = 64  # uses of a kernel beyond which the bonus of UCB is no longer told apart


class Priority:
    """Options: see the module; `proposals` are edits of each kernel in a round, 1 as in the paper on KernelBench."""

    def __init__(
        self,
        *,
        seed: int,
        candidates: float = 1,
        proposals: float = 1,
        c: float = 0.1,
        apart: float = 0.002,
        refresh: float = 0.05,
    ) -> None:
        self._kernels = Kernels(seed)
        self._contenders = Contenders(share=refresh)
        self._copies, self._allowance = max(1, int(candidates)), max(1, int(proposals))
        self._c, self._apart = c, apart
        self._queues: dict[int, list[tuple[float, int]]] = {}  # uses of a kernel (all in one without UCB) -> heap of (-mean, -number)
        self._keys: dict[int, tuple[int, float]] = {}  # where a kernel stands: its queue and -mean; other entries are out of date
        self._round = 0
        self._taken: dict[int, int] = {}  # edits asked for in this round, by kernel
        self._low = math.inf

    def ask(self) -> Proposal | None:
        self._enter(self._kernels.next_ticket)
        kernel = self._first()
        if kernel is None:
            return None
        again = self._contenders.next_repeat(self._kernels.answered + self._kernels.under_way)
        if again is not None:
            return self._kernels.repeat(again)
        proposal = self._kernels.edit(kernel, apart=self._apart)
        self._take(kernel)
        return proposal

    def tell(self, node: Node) -> None:
        proposal = node.attempt.proposal
        earlier = proposal is not None and not self._kernels.asked(proposal.ticket)
        answer = self._kernels.tell(node)
        if answer.kernel is not None:
            self._low = min(self._low, answer.kernel.value)
            self._contenders.put(answer.kernel, repeated=answer.repeated)
            self._place(answer.kernel)
        if answer.parent is not None:
            if earlier and proposal is not None and not proposal.repeat and not answer.by_hand:
                self._enter(proposal.ticket)
                self._take(answer.parent)
            self._place(answer.parent)

    def _enter(self, ticket: int) -> None:
        """The round of `ticket` begins, unless it has."""
        if (number := ticket // (self._copies * self._allowance)) > self._round:
            self._round = number
            self._taken.clear()

    def _take(self, kernel: Kernel) -> None:
        self._taken[kernel.number] = self._taken.get(kernel.number, 0) + 1
        self._place(kernel)

    def _place(self, kernel: Kernel) -> None:
        """Into the queue where it now belongs."""
        uses = min(kernel.attempts + kernel.pending + kernel.trials, _COUNTED) if self._c else 1
        key = (uses, -kernel.value)
        if not kernel.exhausted and self._keys.get(kernel.number) != key:
            self._keys[kernel.number] = key
            heapq.heappush(self._queues.setdefault(uses, []), (-kernel.value, -kernel.number))

    def _first(self) -> Kernel | None:
        """The open kernel of highest priority that this round has not taken up; when it has taken all, the first of all."""
        heads = [head for uses in self._queues if (head := self._head(uses)) is not None]
        free = [(rank, kernel) for rank, kernel, is_free in heads if is_free]
        ranked = free or [(rank, kernel) for rank, kernel, _ in heads]
        return max(ranked, key=lambda item: item[0])[1] if ranked else None

    def _head(self, uses: int) -> tuple[tuple[float, int], Kernel, bool] | None:
        """Of one queue: the first kernel that is free in this round, else the first. A round takes few, so few are passed over."""
        queue, passed, first = self._queues[uses], [], None
        found = None
        while queue and found is None:
            kernel = self._kernels.by_number[-queue[0][1]]
            if kernel.exhausted or self._keys.get(kernel.number) != (uses, queue[0][0]):
                heapq.heappop(queue)
                continue
            first = first or kernel
            if self._may_be_taken(kernel):
                found = kernel
            else:
                passed.append(heapq.heappop(queue))
        for entry in passed:
            heapq.heappush(queue, entry)
        chosen = found or first
        return None if chosen is None else (self._rank(chosen, uses), chosen, found is not None)

    def _may_be_taken(self, kernel: Kernel) -> bool:
        copies = self._copies if kernel.number == 0 and self._round == 0 else 1
        return self._taken.get(kernel.number, 0) < copies * self._allowance

    def _rank(self, kernel: Kernel, uses: int) -> tuple[float, int]:
        """Priority, then the newer. The copies of the baseline come first in the first round."""
        best = self._contenders.best
        if kernel.number == 0 and self._round == 0:
            return (math.inf, kernel.number)
        if not self._c or best is None:
            return (kernel.value, kernel.number)
        bonus = self._c * math.sqrt(math.log(self._kernels.answered + self._kernels.under_way + 1.0) / uses)
        return (kernel.value + bonus * (best.value - self._low), kernel.number)
