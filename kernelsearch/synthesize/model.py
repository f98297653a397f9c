"""The model that is asked, and a conversation with it in which what cannot be used goes back with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from kernelsearch import llm
from kernelsearch.errors import ReplyUnusable, UsageError
from kernelsearch.llm.base import LanguageModel, Message
from kernelsearch.model import Budget, Totals, Usage
from kernelsearch.propose.limits import of_the_model

T = TypeVar("T")


def open_model(spec: str, options: Mapping[str, str], answers: Path) -> LanguageModel:
    """The model `spec`, with every exchange kept in `answers`. Of a pool each call has the member that its seed falls to.

    Raises `UsageError` for the rules, which cannot write, and what `kernelsearch.llm.open_model` raises.
    """
    if spec == "rules":
        raise UsageError("a task is written by a model: name one with --llm PROVIDER:MODEL, or write the answers yourself with mailbox:DIR")
    return llm.recorded(llm.open_model(spec, options=of_the_model(options)), answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often an answer may be repaired, and the money and tokens that all of them may take."""

    repairs: int = 3
    budget: Budget = Budget()
    seed: int = 0


class Talk:
    """One conversation, within the money and tokens of `limits`. `usage` is what it took so far, whatever came of it."""

    def __init__(self, model: LanguageModel, system: str, request: str, *, limits: Limits) -> None:
        self._model = model
        self._system = system
        self._messages = [Message(role="user", text=request)]
        self._budget = replace(limits.budget, candidates=None, minutes=None)
        self._limits = limits
        self.usage = Usage()
        self.turns = 0

    def until(self, read: Callable[[str], T], repair: Callable[[str], str], *, what: str) -> T:
        """What `read` makes of the first answer that it accepts; a `ReplyUnusable` of it is put to the model in the words of `repair`.

        Raises `ReplyUnusable` after as many repairs as are allowed, with the last reason.
        """
        reason = ""
        for turn in range(self._limits.repairs + 1):
            if spent := self._budget.spent(Totals().with_attempt(self.usage, counts=False, at_seconds=0.0)):
                raise ReplyUnusable(
                    f"budget reached before there was a {what}: {spent}{f'; of the last answer: {reason}' if reason else ''}"
                )
            if turn:
                self._messages.append(Message(role="user", text=repair(reason)))
            text = self._answer()
            try:
                return read(text)
            except ReplyUnusable as error:
                reason = str(error)
        raise ReplyUnusable(f"no {what} in {self._limits.repairs + 1} answers of {self._model.name} could be used; of the last: {reason}")

    def _answer(self) -> str:
        reply = self._model.complete(self._system, self._messages, seed=self._limits.seed)
        self._messages.append(Message(role="assistant", text=reply.text))
        self.usage += reply.usage
        self.turns += 1
        return reply.text
