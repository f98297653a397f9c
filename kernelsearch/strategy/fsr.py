"""Feature search and reinforcement of CUDA-LLM (arXiv 2506.09092): some candidates a round, the fastest seeds the next.

A beam of one with no tree behind it and no counters: the ablation that a search has to beat. What failed in a round is told to the proposer
in the next ones. The paper does not publish how many candidates and rounds it takes, so `candidates` is ours, and rounds go on to the
end of the budget unless `rounds` ends them. A round of which nothing is faster is made again from the same kernel; when that is
exhausted, from the next best.
"""

from __future__ import annotations

from collections import deque

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.beam import Level
from kernelsearch.strategy.kernels import Answer, Kernels

_FAILURES = 4  # that are told, the last ones
_WORDS = 200  # characters of each


class Fsr:
    """Options: `candidates` a round (N in the paper), `rounds` (D; 0 is no limit)."""

    def __init__(self, *, seed: int, candidates: float = 8, rounds: float = 0) -> None:
        self._kernels = Kernels(seed)
        self._level = Level(width=1, edits=int(candidates), keep=True)
        self._rounds = int(rounds)
        self._failures: deque[str] = deque(maxlen=_FAILURES)

    def ask(self) -> Proposal | None:
        kernel = self._level.next()
        if kernel is None or (self._rounds and self._level.number >= self._rounds):
            return None
        return self._kernels.edit(kernel, note=self._note())

    def tell(self, node: Node) -> None:
        answer = self._kernels.tell(node)
        if node.number == 0:
            self._level.begin([answer.kernel] if answer.kernel is not None else [])
            return
        if answer.barren and (words := _failure(answer)):
            self._failures.append(words)
        self._level.learn(answer)

    def _note(self) -> str:
        return f"Earlier attempts failed; do not repeat their faults: {'; '.join(self._failures)}." if self._failures else ""


def _failure(answer: Answer) -> str:
    """What went wrong, in one line."""
    evaluation = answer.node.evaluation
    kind = answer.node.attempt.outcome.value if evaluation is None else evaluation.verdict.value
    detail = answer.node.attempt.detail if evaluation is None else evaluation.detail
    line = next((line.strip() for line in detail.splitlines() if line.strip()), "")
    return f"{kind}: {line}"[:_WORDS].rstrip(": ")
