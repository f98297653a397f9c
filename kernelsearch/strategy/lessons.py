"""What directives did so far, over all branches of a search: for notes to the proposer, and for choosing among directions.

Gains are rewards of a child over its parent, so they do not depend on how far the parent had come. Only the `_ROOM` directives that were
heard of last are kept: a model may name each edit differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kernelsearch.strategy.kernels import Answer

_ROOM = 256
_TOLD = 3  # directives of each kind in a note
_NOTABLE = 0.05  # effects on the score below this, about 3.5 % of the time, are not worth a word


@dataclass(slots=True)
class Lesson:
    """Of one directive: edits tried, kernels among them, and the sum of their gains."""

    tried: int = 0
    kernels: int = 0
    gains: float = 0.0

    @property
    def gain(self) -> float:
        """Mean over the edits that gave a kernel."""
        return self.gains / self.kernels if self.kernels else 0.0


class Lessons:
    """Learns from answers; a fold over them."""

    def __init__(self) -> None:
        self._by_directive: dict[str, Lesson] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_directive)

    def __getitem__(self, directive: str) -> Lesson:
        return self._by_directive.get(directive, Lesson())

    def learn(self, answer: Answer) -> None:
        """Take in what became of an edit; repeats and answers without an edit teach nothing."""
        name = directive_of(answer)
        if not name or answer.repeated or answer.exhausted:
            return
        lesson = self._by_directive.pop(name, None) or Lesson()
        self._by_directive[name] = lesson  # the last one heard of stands last
        lesson.tried += 1
        if answer.kernel is not None:
            lesson.kernels += 1
            lesson.gains += answer.kernel.gain
        if len(self._by_directive) > _ROOM:
            del self._by_directive[next(iter(self._by_directive))]

    def told(self) -> str:
        """One or two sentences for a proposer; empty while nothing is worth telling."""
        ranked = sorted(self._by_directive.items(), key=lambda item: (-item[1].gain, item[0]))
        worked = [f"{name} ({lesson.gain:+.2f})" for name, lesson in ranked if lesson.gain > _NOTABLE][:_TOLD]
        failed = sorted((-lesson.tried, name) for name, lesson in ranked if lesson.tried >= 2 and not lesson.kernels)[:_TOLD]
        slower = [f"{name} ({lesson.gain:+.2f})" for name, lesson in reversed(ranked) if lesson.gain < -_NOTABLE][:_TOLD]
        parts = [
            f"Worked so far, with the mean effect on the score, where 1 is a doubling of speed: {', '.join(worked)}." if worked else "",
            f"Made kernels worse: {', '.join(slower)}." if slower else "",
            f"Never gave a right kernel: {', '.join(f'{name} ({-count} tries)' for count, name in failed)}." if failed else "",
        ]
        return " ".join(filter(None, parts))


def directive_of(answer: Answer) -> str:
    """What an edit was called by who made it, else by who asked for it; "" where nobody named it."""
    attempt = answer.node.attempt
    if attempt.proposal is None:
        return ""
    made = "" if attempt.candidate is None else attempt.candidate.origin.directive
    return made or attempt.proposal.directive or ""
