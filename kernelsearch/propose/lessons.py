"""What a run has taught so far, in a few lines for a prompt: which edits gained on which limit, and why others failed. Pure.

A fold over the run's nodes: one record an edit and limit, and at most `_KEPT` of them, so that neither memory nor prompt grows with the
run. POLCA (arXiv 2603.14769) keeps such a summary of successes and failures in every prompt; here no model writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kernelsearch.model import Node, Verdict
from kernelsearch.playbook import Playbook
from kernelsearch.playbook.outcome import speedup, tried

_KEPT = 64  # records; the least telling is dropped for a new one
_GAINS, _FAILURES = 6, 6  # lines of each kind
_EFFECT = 1.01  # below that a gain is none
_EDIT, _WHY = 70, 90  # characters


@dataclass(slots=True)
class _Record:
    """What became of one edit on one limit. `best`: highest speed-up over a parent; `why`: the last failure's first words."""

    edit: str
    limit: str
    last: int  # node number
    tries: int = 0
    passed: int = 0
    gained: int = 0
    best: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    why: str = ""

    @property
    def telling(self) -> tuple[float, int]:
        """What is worth keeping: large gains, then what is recent."""
        return (self.best if self.gained else 1.0, self.last)

    @property
    def line(self) -> str:
        head = f"{self.edit}{f' on {self.limit}' if self.limit else ''}"
        if self.gained:
            return f"gained: {head}: {self.best:.2f}x at best, {self.gained} of {_times(self.tries)}"
        if self.passed:
            return f"no gain: {head}: {_times(self.tries)}, {self.best:.2f}x at best{self._failed()}"
        return f"failed: {head}: {_times(self.tries)}{self._failed()}"

    def _failed(self) -> str:
        counts = ", ".join(name if count == 1 else f"{count} {name}" for name, count in self.failures.items())
        return f" ({counts}{f': {self.why}' if self.why else ''})" if counts else ""


class Lessons:
    """Told every node in order, with its parent."""

    def __init__(self, book: Playbook) -> None:
        self._book = book
        self._records: dict[tuple[str, str], _Record] = {}
        self._written: tuple[str, ...] = ()  # by a summariser, of all before node `_since`
        self._since = -1

    def tell(self, node: Node, parent: Node | None) -> None:
        """Learn from one attempt, and take over what a summariser wrote in it."""
        if node.attempt.team.lessons:
            self._written, self._since = node.attempt.team.lessons, node.number
        if parent is None or not tried(node) or not (edit := self._edit(node)):
            return
        limit = _limit(parent)
        record = self._records.get((edit, limit))
        if record is None:
            if len(self._records) >= _KEPT:
                del self._records[min(self._records, key=lambda key: self._records[key].telling)]
            record = self._records[edit, limit] = _Record(edit=edit, limit=limit, last=node.number)
        _learn(record, node, parent)

    def lines(self) -> tuple[str, ...]:
        """What a summariser wrote; of what came since, or of all, the gains, largest first, then the latest of what brought nothing."""
        new = [record for record in self._records.values() if record.last >= self._since]
        gains = [record for record in new if record.gained]
        others = [record for record in new if not record.gained]
        best = sorted(gains, key=lambda record: (-record.best, record.last))[:_GAINS]
        latest = sorted(others, key=lambda record: -record.last)[:_FAILURES]
        return (*self._written, *(record.line for record in (*best, *latest)))

    def _edit(self, node: Node) -> str:
        """What was done: the directive where it was one of the playbook, else in the words of who did it."""
        done = self._book.done(node)
        if done is not None:
            return done.name
        origin = None if node.candidate is None else node.candidate.origin
        asked = None if node.attempt.proposal is None else node.attempt.proposal.directive
        return _cut((origin.summary or origin.directive if origin else "") or asked or "", _EDIT)


def lessons(nodes: Iterable[Node], book: Playbook) -> tuple[str, ...]:
    """The lines that the nodes of a run, in order, come to."""
    told, seen = Lessons(book), list[Node]()
    for node in nodes:
        seen.append(node)
        told.tell(node, None if node.parent is None else seen[node.parent])
    return told.lines()


def _learn(record: _Record, node: Node, parent: Node) -> None:
    record.tries += 1
    record.last = node.number
    if node.passed:
        ratio = speedup(node, parent) or 0.0
        record.passed += 1
        record.gained += ratio >= _EFFECT
        record.best = max(record.best, ratio)
        return
    verdict = node.attempt.outcome.value if node.evaluation is None else node.evaluation.verdict.value
    record.failures[verdict] = record.failures.get(verdict, 0) + 1
    detail = node.attempt.detail if node.evaluation is None else node.evaluation.detail
    if node.evaluation is None or node.evaluation.verdict is not Verdict.UNSUPPORTED:
        record.why = _cut(detail.strip().splitlines()[0] if detail.strip() else "", _WHY)


def _limit(parent: Node) -> str:
    profile = None if parent.evaluation is None else parent.evaluation.profile
    return "" if profile is None or profile.bottleneck is None else profile.bottleneck.resource.value


def _times(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"


def _cut(text: str, limit: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
