"""Runs as training data, in the conversational form that trl reads: `messages` for supervised fine-tuning, `prompt`, `chosen` and
`rejected` for preferences. Pure: records in, rows out, always in the same order.

A row is one turn: the request for an edit of one kernel, and the answer that led to what was judged. Of a conversation with repairs that
is the last answer, put behind the first request. Two answers are compared only when both edit the same kernel: one that passed over one
that failed, and a fast one over a slow one where the measurements leave no doubt. Every row says where it came from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kernelsearch import digest
from kernelsearch.model import Measurement, Node, Outcome
from kernelsearch.model.roles import CODER, DEBUGGER
from kernelsearch.report import words
from kernelsearch.report.view import Record
from kernelsearch.scrub import scrub

MARGIN = 0.02  # by how much a faster kernel must be faster, beyond what its measurement leaves open
_BREAK = "\n\n---\n\n"  # between the turns of a recorded conversation
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One request and the answer to it."""

    node: Node
    system: str
    request: str
    answer: str

    @property
    def prompt(self) -> list[dict[str, str]]:
        head = [{"role": "system", "content": self.system}] if self.system else []
        return [*head, {"role": "user", "content": self.request}]

    @property
    def completion(self) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": self.answer}]


@dataclass(slots=True)
class Tally:
    """How many attempts became rows or parts of rows, and how many with a model's answer could not be told apart into turns."""

    rows: int = 0
    unclear: int = 0


def sft(records: Iterable[Record], tally: Tally, *, margin: float = MARGIN) -> Iterator[Row]:
    """The answers that gave a kernel that passes and is faster than the one it edits, or mends one that failed."""
    for record in records:
        for turn in _turns(record, tally):
            parent = record.nodes[turn.node.parent or 0]
            if turn.node.passed and (not parent.passed or _clearly_faster(turn.node, parent, margin)):
                tally.rows += 1
                yield {"messages": turn.prompt + turn.completion, "provenance": {**_run(record), **_side(turn, record)}}


def preferences(records: Iterable[Record], tally: Tally, *, margin: float = MARGIN) -> Iterator[Row]:
    """For each kernel that was edited several times, the best answer beside each that is clearly worse."""
    for record in records:
        families: defaultdict[int, list[_Turn]] = defaultdict(list)
        for turn in _turns(record, tally):
            families[turn.node.parent or 0].append(turn)
        for _, family in sorted(families.items()):
            passed = [turn for turn in family if turn.node.passed]
            if passed:
                best = min(passed, key=lambda turn: (turn.node.time_us or 0.0, turn.node.number))
                yield from _pairs(best, family, record, tally, margin)


def _pairs(best: _Turn, family: Sequence[_Turn], record: Record, tally: Tally, margin: float) -> Iterator[Row]:
    for other in family:
        if other is best or other.answer == best.answer:
            continue
        why = "passed over failed" if not other.node.passed else "fast over slow"
        if other.node.passed and not _clearly_faster(best.node, other.node, margin):
            continue
        tally.rows += 1
        yield {
            "prompt": best.prompt,
            "chosen": best.completion,
            "rejected": other.completion,
            "provenance": {
                **_run(record),
                "why": why,
                "same_prompt": other.prompt == best.prompt,
                "chosen": _side(best, record),
                "rejected": _side(other, record),
            },
        }


def _turns(record: Record, tally: Tally) -> Iterator[_Turn]:
    """The attempts whose answer was judged, or could not be applied: what broke off or was never given teaches nothing."""
    for node in record.nodes:
        attempt = node.attempt
        if attempt.outcome not in (Outcome.EVALUATED, Outcome.UNUSABLE) or not attempt.usage.calls or not attempt.reply:
            continue
        turn = _turn(node)
        if turn is None:
            tally.unclear += 1
        else:
            yield turn


def _turn(node: Node) -> _Turn | None:
    """The first request and the last answer; None where the record does not say which is which."""
    attempt = node.attempt
    asked, answered = scrub(attempt.prompt).split(_BREAK), scrub(attempt.reply).split(_BREAK)
    if attempt.team.mended or DEBUGGER in attempt.team.usage:  # the last answer edits another source than the first request shows
        return None
    calls = attempt.team.usage.get(CODER, attempt.usage).calls
    if len(asked) == calls + 1 and len(answered) == calls:
        return _Turn(node=node, system=asked[0], request=asked[1], answer=answered[-1])
    if calls == 1:  # one turn, whatever lines it has in it
        return _Turn(node=node, system="", request=_BREAK.join(asked), answer=_BREAK.join(answered))
    return None


def _clearly_faster(node: Node, other: Node, margin: float) -> bool:
    """Whether one is faster by the margin, and by more than either measurement leaves open."""
    ours = node.evaluation.measurement if node.evaluation else None
    theirs = other.evaluation.measurement if other.evaluation else None
    if ours is None or theirs is None or ours.kind is not theirs.kind:
        return False
    if ours.interval is not None and theirs.interval is not None:  # both against the task's own kernel
        return ours.interval.low > theirs.interval.high * (1 + margin)
    return theirs.time_us / ours.time_us > 1 + margin + _noise(ours) + _noise(theirs)


def _noise(measurement: Measurement) -> float:
    return measurement.spread / 2


def _run(record: Record) -> Row:
    return {
        "kernelsearch": record.version,
        "started": record.started,
        "task": record.task.name,
        "suite": record.task.suite,
        "task_digest": digest.task(record.task),
        "device": record.environment.device,
        "time_kind": record.environment.time_kind,
        "strategy": record.spec.strategy,
    }


def _side(turn: _Turn, record: Record) -> Row:
    node = turn.node
    candidate, proposal = node.candidate, node.attempt.proposal
    return {
        "node": node.number,
        "parent": node.parent if node.parent is not None else -1,
        "model": candidate.origin.model if candidate else "",
        "asked": (proposal.model if proposal else "") or record.spec.proposer,
        "directive": scrub(words.directive(node)),
        "status": words.status(node),
        "time_us": round(node.time_us or 0.0, 4),
        "speedup": round(words.speedup(node, record.nodes[0]) or 0.0, 4),
        "kernel": digest.candidate(candidate) if candidate else "",
    }
