"""Beam search: the best few kernels, each edited several times, then the best few of all of them, and so on.

A level is over when every attempt of it was answered; until then `ask` gives None rather than look ahead, so that a level does not depend
on which answer came first. Every level has `width` x `edits` attempts: where fewer kernels are in the beam, each gets more.
"""

from __future__ import annotations

import heapq
import math

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.kernels import Answer, Kernel, Kernels

KEPT = 64  # kernels that were passed over and are fallen back on when the whole beam is exhausted


class Level:
    """The kernels of one level and the attempts that each still has. Shared with `fsr`, which is a beam of one."""

    def __init__(self, *, width: int, edits: int, keep: bool) -> None:
        self._width, self._edits, self._keep = max(1, width), max(1, edits), keep
        self.number = -1
        self._beam: list[Kernel] = []
        self._left: dict[int, int] = {}  # attempts not yet answered, by kernel
        self._made: list[Kernel] = []  # by this level, in the order of answers
        self._reserve: list[tuple[float, int, Kernel]] = []  # heap of (value, -number, kernel): the worst goes first

    @property
    def best(self) -> Kernel | None:
        """The first of the beam."""
        return self._beam[0] if self._beam else None

    def begin(self, kernels: list[Kernel]) -> None:
        """The next level, from the best of `kernels` that are open, else from the best of those passed over."""
        ranked = sorted((k for k in kernels if not k.exhausted), key=lambda k: (-k.value, k.number))
        self._beam = ranked[: self._width]
        for kernel in ranked[self._width :]:
            self._put_aside(kernel)
        if not self._beam:
            self._fall_back()
        self._made = []
        quota = math.ceil(self._width * self._edits / max(1, len(self._beam)))
        self._left = {kernel.number: quota for kernel in self._beam}
        self.number += 1

    def next(self) -> Kernel | None:
        """Whose turn it is: the kernel with most attempts left that are not under way, the better of equals."""
        free = [kernel for kernel in self._beam if self._left[kernel.number] > kernel.pending]
        return max(free, key=lambda kernel: (self._left[kernel.number] - kernel.pending, kernel.value, -kernel.number), default=None)

    def learn(self, answer: Answer) -> None:
        """Count an answer; the last one of a level begins the next. What was added by hand competes with what the level made."""
        if answer.kernel is not None and not answer.repeated:
            self._made.append(answer.kernel)
        parent = answer.parent
        if answer.by_hand:  # no turn of the level's, which it must not use up; it begins one where the search was at its end
            if answer.kernel is not None and not self._beam:
                self.begin(self._made)
            return
        if answer.repeated or parent is None or parent.number not in self._left:
            return
        self._left[parent.number] = 0 if parent.exhausted else max(0, self._left[parent.number] - 1)
        if not any(self._left.values()) and not any(kernel.pending for kernel in self._beam):
            if not self._keep:
                for kernel in self._beam:
                    self._put_aside(kernel)
            self.begin([*self._made, *(self._beam if self._keep or not self._made else [])])

    def _put_aside(self, kernel: Kernel) -> None:
        if not kernel.exhausted and all(entry[2] is not kernel for entry in self._reserve):
            heapq.heappush(self._reserve, (kernel.value, -kernel.number, kernel))
            if len(self._reserve) > KEPT:
                heapq.heappop(self._reserve)

    def _fall_back(self) -> None:
        ranked = sorted((kernel for _, _, kernel in self._reserve if not kernel.exhausted), key=lambda k: (-k.value, k.number))
        self._beam = ranked[: self._width]
        self._reserve = [(k.value, -k.number, k) for k in ranked[self._width :]]
        heapq.heapify(self._reserve)


class Beam:
    """Options: `width` kernels, `edits` of each in a level; `keep` 1 lets the kernels of a level compete with what was made of them, 0
    is the classical beam, which goes on from the children alone, be they worse."""

    def __init__(self, *, seed: int, width: float = 3, edits: float = 4, keep: float = 1) -> None:
        self._kernels = Kernels(seed)
        self._level = Level(width=int(width), edits=int(edits), keep=bool(keep))

    def ask(self) -> Proposal | None:
        kernel = self._level.next()
        return None if kernel is None else self._kernels.edit(kernel)

    def tell(self, node: Node) -> None:
        answer = self._kernels.tell(node)
        if node.number == 0:
            self._level.begin([answer.kernel] if answer.kernel is not None else [])
        else:
            self._level.learn(answer)
