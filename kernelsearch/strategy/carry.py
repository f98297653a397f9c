"""Directives that paid elsewhere, for kernels that have not had them.

Two edits that helped apart often help together, and a gain that one branch found need not be found again by every other. So of the
directives that made kernels faster, each with the kernel where it did most, one is wished for where it was not tried: as
all-moves-as-first does for the moves of a game [Gelly, Silver 2007], and Scattered Forest Search (arXiv 2411.05010) by scouting.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.strategy.gains import Gains, directive_of
from kernelsearch.strategy.kernels import Answer, Kernel

_LEAST = 0.01  # gain from which a directive is worth carrying
_ROOM = 16  # directives that are kept, those that gained most


@dataclass(frozen=True, slots=True)
class Carried:
    """A directive to wish for, and the kernel that shows it."""

    directive: str
    example: int


class Carry:
    """Learns which directives gained and where they were tried; a fold over answers."""

    def __init__(self) -> None:
        self._gains = Gains()
        self._examples: dict[str, tuple[float, int]] = {}  # directive -> its greatest gain, and the kernel that had it
        self._tried: dict[int, set[str]] = {}  # directives tried or asked for, by kernel

    def learn(self, answer: Answer) -> None:
        """Take in what became of an edit."""
        self._gains.learn(answer)
        if answer.parent is None or answer.repeated:
            return
        proposal = answer.node.attempt.proposal
        for name in {directive_of(answer), (proposal.directive if proposal is not None else None) or ""} - {""}:
            self._tried.setdefault(answer.parent.number, set()).add(name)
        kernel = answer.kernel
        if kernel is not None and kernel.directive and kernel.gain > self._examples.get(kernel.directive, (_LEAST, 0))[0]:
            self._examples[kernel.directive] = (kernel.gain, kernel.number)
            if len(self._examples) > _ROOM:
                del self._examples[min(self._examples, key=lambda name: self._examples[name])]

    def to(self, kernel: Kernel) -> Carried | None:
        """What to carry over to `kernel`: of the directives that neither it nor an ancestor had, the one that gains most on the mean.
        It counts as tried from now on, as it will when the answer is told."""
        had = set(self._tried.get(kernel.number, ()))
        step: Kernel | None = kernel
        while step is not None:
            had.add(step.directive)
            step = step.parent
        free = [name for name in self._examples if name not in had and self._gains[name].mean > _LEAST]
        if not free:
            return None
        name = max(free, key=lambda directive: (self._gains[directive].mean, directive))
        self._tried.setdefault(kernel.number, set()).add(name)
        return Carried(name, self._examples[name][1])
