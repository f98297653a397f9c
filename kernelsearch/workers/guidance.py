"""The hints of a run's owner on their way into prompts, by the thread that owns the run.

Which hints an attempt was told stands in its proposal, by number; the words stand in the run's `hints.jsonl`, which only grows. So a
journal says what each prompt held, and a resumed run goes on with what is in force. A run that replays another takes over its hints, and
tells each ticket what that ticket was told then: prompts are then the same to the letter. The rules read no prompt and are told nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kernelsearch.errors import UsageError
from kernelsearch.model import Context, Proposal
from kernelsearch.store.hints import HINTS, Hints
from kernelsearch.store.rundir import RunFolder

RULES = "rules"
_REPLAY = "replay:"


class Guidance:
    """For the run in `folder`. `note` and `warn` take sentences about what was appended."""

    def __init__(self, folder: Path, proposer: str, *, note: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._hints = Hints(folder)
        self._heeded = proposer != RULES
        self._note, self._warn = note, warn
        self._then = told_then(proposer)

    def look(self) -> None:
        """Take in what was appended since, and say so."""
        news = self._hints.look()
        for text in news.warnings:
            self._warn(text)
        for hint in news.said:
            if hint.dropped:
                self._note(f"hint {hint.number} was withdrawn")
            elif self._heeded:
                self._note(f"hint {hint.number} goes into the next prompts: {hint.text}")
            else:
                self._warn(f"hint {hint.number} is of no use here: the rules read no prompt")

    def guide(self, proposal: Proposal, context: Context) -> tuple[Proposal, Context]:
        """Both with the hints that are in force."""
        if not self._heeded or proposal.repeat:
            return proposal, context
        self.look()
        numbers = self._then.get(proposal.ticket, self._hints.in_force)
        return replace(proposal, hints=numbers), replace(context, hints=self._hints.texts(numbers))


def copy_hints(proposer: str, folder: Path) -> None:
    """Into the new run `folder`, where it replays a run that had some."""
    replayed = _replayed(proposer)
    if replayed is not None and (replayed / HINTS).is_file():
        shutil.copyfile(replayed / HINTS, folder / HINTS)


def told_then(proposer: str) -> dict[int, tuple[int, ...]]:
    """The numbers of the hints by ticket, in the run that is replayed; empty where none is, or it had none."""
    replayed = _replayed(proposer)
    if replayed is None or not (replayed / HINTS).is_file():
        return {}
    try:
        nodes = RunFolder.open(replayed).nodes
    except UsageError:  # the answers alone were kept
        return {}
    asked = (node.attempt.proposal for node in nodes)
    return {proposal.ticket: proposal.hints for proposal in asked if proposal is not None and not proposal.by_hand}


def _replayed(proposer: str) -> Path | None:
    path = Path(proposer.removeprefix(_REPLAY))
    return path if proposer.startswith(_REPLAY) and path.is_dir() else None
