"""What directives gained so far, over all branches of a search: for choosing among directions.

Gains are rewards of a child over its parent, so they do not depend on how far the parent had come. Only the `_ROOM` directives that were
heard of last are kept: a model may name each edit differently. No words are made of this: what a run has taught stands in every prompt,
from `propose.lessons`, whatever the strategy, and would be read twice in a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kernelsearch.strategy.kernels import Answer

_ROOM = 256


@dataclass(slots=True)
class Gain:
    """Of one directive: edits tried, kernels among them, and the sum of what they gained."""

    tried: int = 0
    kernels: int = 0
    gains: float = 0.0

    @property
    def mean(self) -> float:
        """Over the edits that gave a kernel."""
        return self.gains / self.kernels if self.kernels else 0.0


class Gains:
    """Learns from answers; a fold over them."""

    def __init__(self) -> None:
        self._by_directive: dict[str, Gain] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_directive)

    def __getitem__(self, directive: str) -> Gain:
        return self._by_directive.get(directive, Gain())

    def learn(self, answer: Answer) -> None:
        """Take in what became of an edit; repeats and answers without an edit teach nothing."""
        name = directive_of(answer)
        if not name or answer.repeated or answer.exhausted:
            return
        found = self._by_directive.pop(name, None) or Gain()
        self._by_directive[name] = found  # the last one heard of stands last
        found.tried += 1
        if answer.kernel is not None:
            found.kernels += 1
            found.gains += answer.kernel.gain
        if len(self._by_directive) > _ROOM:
            del self._by_directive[next(iter(self._by_directive))]


def directive_of(answer: Answer) -> str:
    """What an edit was called by who made it, else by who asked for it; "" where nobody named it."""
    attempt = answer.node.attempt
    if attempt.proposal is None:
        return ""
    made = "" if attempt.candidate is None else attempt.candidate.origin.directive
    return made or attempt.proposal.directive or ""
