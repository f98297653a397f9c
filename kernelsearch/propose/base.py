"""Where edits come from: symbolic rules, or a language model. A proposer turns a context into one edited source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kernelsearch.errors import ReplyUnusable
from kernelsearch.llm.base import RefusedReply
from kernelsearch.model import Attempt, Context, Hardware, Origin, Proposal, Task, Teamwork, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An edited program, not yet judged."""

    source: str
    flags: tuple[str, ...]
    origin: Origin
    team: Teamwork = Teamwork()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What a debugger made of an attempt that failed. `origin` has all that was said and paid in the attempt so far, `team` what this
    repair added; no `draft`: it gave up."""

    draft: Draft | None
    origin: Origin
    team: Teamwork


class UnusableReply(ReplyUnusable):
    """A `ReplyUnusable` with what was said and what it cost, so that the attempt can be recorded."""

    def __init__(self, message: str, *, prompt: str, reply: str, usage: Usage, team: Teamwork | None = None) -> None:
        super().__init__(message)
        self.prompt = prompt
        self.reply = reply
        self.usage = usage
        self.team = team or Teamwork()


class RefusedEdit(RefusedReply):
    """A `RefusedReply` to the coder with what other roles brought and took before; `usage` is that of all."""

    def __init__(self, refused: RefusedReply, team: Teamwork) -> None:
        super().__init__(str(refused), reason=refused.reason, text=refused.text, prompt=refused.prompt, usage=team.total)
        self.team = team


class Proposer(Protocol):
    """Thread-safe. Raises `UnusableReply`, `NothingToPropose`, or an `LlmError`; `rules` is a function of its arguments alone."""

    @property
    def name(self) -> str: ...

    def propose(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Draft: ...


@runtime_checkable
class Mender(Protocol):
    """A proposer that may be asked to repair what it proposed. Raises `LlmMisconfigured` alone."""

    def mend(self, failed: Attempt, context: Context, task: Task, hardware: Hardware) -> Repair | None:
        """A repair of the candidate of `failed`, which was judged; None where none is to be tried, or no more."""
        ...
