"""Best-first search with scores normalised by length, as BFS-Prover does (arXiv 2502.03438).

There a state's score is the sum of logarithms of probabilities on the way to it, none above 0, over L^alpha with alpha = 0.5, so that
long proofs are not starved; the best one is taken and `width` = 2 tactics are tried. Here what plays that part is how far a kernel's
reward lies below the best one's, again a logarithm and never above 0, and L is the number of edits on the way to it: a long chain
that is a little behind comes before a short one. A prover closes a state after its two tactics; edits of a kernel do not run out so
soon, so it goes back with `fatigue` taken off for each time it was taken up, where 1 is a doubling of speed.
"""

from __future__ import annotations

import heapq

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.contenders import Contenders
from kernelsearch.strategy.kernels import Kernel, Kernels

_LONGEST = 64  # chains that are longer count as this long, so that there are not more queues than that


class BestFirst:
    """Options: `alpha`, `width` edits each time a kernel is taken up, `fatigue`."""

    def __init__(self, *, seed: int, alpha: float = 0.5, width: float = 2, fatigue: float = 0.05) -> None:
        self._kernels = Kernels(seed)
        self._contenders = Contenders(share=0.0)
        self._alpha, self._width, self._fatigue = alpha, max(1, int(width)), fatigue
        self._queues: dict[int, list[tuple[float, int]]] = {}  # length of the way -> heap of (-tired reward, number)

    def ask(self) -> Proposal | None:
        best = self._contenders.best
        heads = [kernel for length in self._queues if (kernel := self._head(length)) is not None]
        if best is None or not heads:
            return None
        kernel = max(heads, key=lambda head: ((self._tired(head) - best.value) / _length(head) ** self._alpha, -head.number))
        proposal = self._kernels.edit(kernel)
        self._place(kernel)
        return proposal

    def tell(self, node: Node) -> None:
        answer = self._kernels.tell(node)
        if answer.kernel is not None:
            self._contenders.put(answer.kernel, repeated=answer.repeated)
            self._place(answer.kernel)
        if answer.parent is not None:
            self._place(answer.parent)

    def _tired(self, kernel: Kernel) -> float:
        return kernel.value - self._fatigue * ((kernel.attempts + kernel.pending) // self._width)

    def _place(self, kernel: Kernel) -> None:
        """Into its queue anew, when its first entry there is out of date."""
        if not kernel.exhausted:
            heapq.heappush(self._queues.setdefault(_length(kernel), []), (-self._tired(kernel), kernel.number))

    def _head(self, length: int) -> Kernel | None:
        """The first of one queue; entries that are out of date are dropped on the way."""
        queue = self._queues[length]
        while queue:
            kernel = self._kernels.by_number[queue[0][1]]
            if not kernel.exhausted and -queue[0][0] == self._tired(kernel):
                return kernel
            heapq.heappop(queue)
        return None


def _length(kernel: Kernel) -> int:
    return min(kernel.depth + 1, _LONGEST)
