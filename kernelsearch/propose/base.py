"""Where edits come from: symbolic rules, or a language model. A proposer turns a context into one edited source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kernelsearch.errors import ReplyUnusable
from kernelsearch.model import Context, Hardware, Origin, Proposal, Task, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An edited program, not yet judged."""

    source: str
    flags: tuple[str, ...]
    origin: Origin


class UnusableReply(ReplyUnusable):
    """A `ReplyUnusable` with what was said and what it cost, so that the attempt can be recorded."""

    def __init__(self, message: str, *, prompt: str, reply: str, usage: Usage) -> None:
        super().__init__(message)
        self.prompt = prompt
        self.reply = reply
        self.usage = usage


class Proposer(Protocol):
    """Thread-safe. Raises `UnusableReply`, `NothingToPropose`, or an `LlmError`; `rules` is a function of its arguments alone."""

    @property
    def name(self) -> str: ...

    def propose(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Draft: ...
