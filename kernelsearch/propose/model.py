"""Edits from a language model: ask, apply, and where the answer does not apply say why and ask again.

Every token is accounted for, whatever becomes of the answer: in the draft's origin, in `UnusableReply` or in `RefusedReply`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch.errors import LlmBusy, NothingToPropose, PromptTooLong, ReplyUnusable, UsageError
from kernelsearch.llm import recorded
from kernelsearch.llm.base import LanguageModel, Message, RefusedReply
from kernelsearch.llm.pool import Pool
from kernelsearch.model import Candidate, Context, Hardware, Origin, Proposal, Task, Teamwork, Usage
from kernelsearch.model.roles import CODER
from kernelsearch.propose import edits, prompt
from kernelsearch.propose.base import Draft, UnusableReply
from kernelsearch.propose.limits import Limits
from kernelsearch.propose.prompt import Prompt


@dataclass(slots=True)
class _Talk:
    """One conversation so far."""

    system: str
    messages: list[Message]
    told: Teamwork  # with what it was not told
    usage: Usage = field(default_factory=Usage)
    model: str = ""

    @property
    def prompt(self) -> str:
        return "\n\n".join([self.system.strip(), *(f"---\n\n{m.text.strip()}" for m in self.messages if m.role == "user")])

    @property
    def reply(self) -> str:
        return "\n\n---\n\n".join(m.text.strip() for m in self.messages if m.role == "assistant")


class ModelProposer:
    """`repairs` is how often an answer that does not apply goes back to the model with the reason. Thread-safe if `model` is.

    Raises `UsageError` for an unknown edit format.
    """

    def __init__(
        self, *, model: LanguageModel, edit_format: str = "search-replace", repairs: int = 2, limits: Limits | None = None
    ) -> None:
        if edit_format not in edits.INSTRUCTIONS:
            raise UsageError(f"unknown edit format {edit_format!r}; there are {', '.join(edits.INSTRUCTIONS)}")
        self._model = model
        self._format = edit_format
        self._repairs = repairs
        self._limits = limits or Limits()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def model(self) -> LanguageModel:
        return self._model

    @property
    def instructions(self) -> str:
        """How an edit is to be written down."""
        return edits.INSTRUCTIONS[self._format]

    @property
    def pool(self) -> Pool | None:
        """The models to choose among, where there is a choice."""
        return self._model if isinstance(self._model, Pool) else None

    def limit(self, proposal: Proposal) -> int | None:
        """How long a prompt for `proposal` may be, whatever role it is for."""
        return self._limits.of(proposal.model)

    def recorded(self, path: Path) -> ModelProposer:
        """The same, with every exchange kept in `path`."""
        model = recorded(self._model, path)
        return ModelProposer(model=model, edit_format=self._format, repairs=self._repairs, limits=self._limits)

    def propose(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Draft:
        """One edit of `context.parent`. Raises `UnusableReply` after the repairs, `RefusedReply`, another `LlmError`, or
        `NothingToPropose` when a scripted model has no answer left or a prompt for that kernel is longer than it may be."""
        candidate = context.parent.candidate
        if candidate is None:
            raise ValueError(f"node {context.parent.number} has no source to edit")
        return self.edit(self.write(proposal, context, task, hardware), candidate, proposal)

    def write(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Prompt:
        """What the coder is told. Raises `NothingToPropose` where that is longer than it may be: then no edit of that kernel is."""
        try:
            limit = self.limit(proposal)
            return prompt.write(proposal, context, task, hardware, instructions=self.instructions, limit=limit)
        except PromptTooLong as error:
            raise NothingToPropose(str(error)) from error

    def edit(self, written: Prompt, candidate: Candidate, proposal: Proposal, *, role: str = CODER) -> Draft:
        """What the model makes of `candidate` when it is told what is `written`; raises as `propose` does."""
        told = Teamwork(notes=written.notes(role))
        talk = _Talk(system=written.system, messages=[Message(role="user", text=written.request)], told=told)
        model = member(self._model, proposal)
        reason = ""
        for turn in range(self._repairs + 1):
            if turn:
                talk.messages.append(Message(role="user", text=prompt.repair(reason, instructions=self.instructions)))
            text = _answer(model, talk, proposal.seed, reason)
            try:
                edited = edits.apply(self._format, text, candidate.source)
            except ReplyUnusable as error:
                reason = str(error)
                continue
            flags = candidate.flags if edited.flags is None else edited.flags
            return Draft(source=edited.source, flags=flags, origin=self._origin(talk, proposal, edited.summary), team=talk.told)
        raise _unusable(talk, f"no answer in {self._repairs + 1} could be applied; of the last: {reason}")

    def _origin(self, talk: _Talk, proposal: Proposal, summary: str) -> Origin:
        return Origin(
            proposer=self.name,
            directive=proposal.directive or summary,
            summary=summary,
            model=talk.model,
            prompt=talk.prompt,
            reply=talk.reply,
            usage=talk.usage,
        )


def member(model: LanguageModel, proposal: Proposal) -> LanguageModel:
    """The model that `proposal` is for, of a pool; any other model is itself."""
    return model.member(proposal.model, proposal.seed) if isinstance(model, Pool) else model


def _answer(model: LanguageModel, talk: _Talk, seed: int, reason: str) -> str:
    """The model's next turn, added to `talk`. A failure on the way to a repair keeps what was said and paid before it."""
    try:
        reply = model.complete(talk.system, talk.messages, seed=seed)
    except RefusedReply as error:
        if error.text:
            talk.messages.append(Message(role="assistant", text=error.text))
        talk.usage += error.usage
        raise RefusedReply(str(error), reason=error.reason, text=talk.reply, prompt=talk.prompt, usage=talk.usage) from error
    except (LlmBusy, NothingToPropose) as error:
        if not talk.usage.calls:
            raise
        raise _unusable(talk, f"asking again failed ({error}) after an answer that could not be applied: {reason}") from error
    talk.messages.append(Message(role="assistant", text=reply.text))
    talk.usage += reply.usage
    talk.model = reply.model
    return reply.text


def _unusable(talk: _Talk, message: str) -> UnusableReply:
    return UnusableReply(message, prompt=talk.prompt, reply=talk.reply, usage=talk.usage, team=talk.told)
