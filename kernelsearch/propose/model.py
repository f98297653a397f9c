"""Edits from a language model: ask, apply, and where the answer does not apply say why and ask again.

Every token is accounted for, whatever becomes of the answer: in the draft's origin, in `UnusableReply` or in `RefusedReply`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch.errors import LlmBusy, NothingToPropose, ReplyUnusable, UsageError
from kernelsearch.llm import recorded
from kernelsearch.llm.base import LanguageModel, Message, RefusedReply
from kernelsearch.llm.pool import Pool
from kernelsearch.model import Candidate, Context, Hardware, Origin, Proposal, Task, Usage
from kernelsearch.propose import edits, prompt
from kernelsearch.propose.base import Draft, UnusableReply
from kernelsearch.propose.prompt import Prompt


@dataclass(slots=True)
class _Talk:
    """One conversation so far."""

    system: str
    messages: list[Message]
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

    def __init__(self, *, model: LanguageModel, edit_format: str = "search-replace", repairs: int = 2) -> None:
        if edit_format not in edits.INSTRUCTIONS:
            raise UsageError(f"unknown edit format {edit_format!r}; there are {', '.join(edits.INSTRUCTIONS)}")
        self._model = model
        self._format = edit_format
        self._repairs = repairs

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

    def recorded(self, path: Path) -> ModelProposer:
        """The same, with every exchange kept in `path`."""
        return ModelProposer(model=recorded(self._model, path), edit_format=self._format, repairs=self._repairs)

    def propose(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Draft:
        """One edit of `context.parent`. Raises `UnusableReply` after the repairs, `RefusedReply`, another `LlmError`, or
        `NothingToPropose` when a scripted model has no answer left."""
        candidate = context.parent.candidate
        if candidate is None:
            raise ValueError(f"node {context.parent.number} has no source to edit")
        written = prompt.write(proposal, context, task, hardware, instructions=self.instructions)
        return self.edit(written, candidate, proposal)

    def edit(self, written: Prompt, candidate: Candidate, proposal: Proposal) -> Draft:
        """What the model makes of `candidate` when it is told what is `written`; raises as `propose` does."""
        talk = _Talk(system=written.system, messages=[Message(role="user", text=written.request)])
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
            return Draft(source=edited.source, flags=flags, origin=self._origin(talk, proposal, edited.summary))
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
    return UnusableReply(message, prompt=talk.prompt, reply=talk.reply, usage=talk.usage)
