"""A language model as a function from messages to a reply. Providers: anthropic, openai (and any compatible server), replay, mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kernelsearch import digest
from kernelsearch.errors import LlmRefused
from kernelsearch.model import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A finished answer. `model` is the name the server answered with."""

    text: str
    model: str
    usage: Usage


Reason = Literal["declined", "truncated", "empty", "too long", "interrupted", "oversized"]
LONGEST = 1_000_000  # characters of an answer; a kernel has some thousands
EXCERPT = 20_000  # characters that are kept of one that is longer


class RefusedReply(LlmRefused):
    """An `LlmRefused` with what was said, if anything, and what it cost, so that the attempt can be recorded.

    `reason`: the model declined, its answer was cut off or empty, the prompt did not fit its context, the connection broke while it
    answered, or the answer was longer than any that can be used.
    """

    def __init__(self, message: str, *, reason: Reason, text: str = "", prompt: str = "", usage: Usage) -> None:
        super().__init__(message)
        self.reason = reason
        self.text = text
        self.prompt = prompt
        self.usage = usage


class LanguageModel(Protocol):
    """Thread-safe. `complete` raises `LlmBusy` after its retries, `RefusedReply` for an answer that is not one to use, with what it
    cost, `LlmMisconfigured` when no later call can do better. `replay` raises `NothingToPropose` when it has no answer left.

    `seed` is that of the proposal: all turns of one conversation have the same."""

    @property
    def name(self) -> str:
        """provider:model."""
        ...

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply: ...


def sized(reply: Reply, name: str) -> Reply:
    """`reply` as it is. Raises `RefusedReply` for one that is too long to be an answer, with its beginning."""
    if len(reply.text) <= LONGEST:
        return reply
    message = f"the answer of {name} has more than {LONGEST:,} characters, which no kernel needs"
    raise RefusedReply(message, reason="oversized", text=reply.text[:EXCERPT], usage=reply.usage)


def prompt_digest(system: str, messages: Sequence[Message]) -> str:
    """The identity of a conversation so far: who said what, in order."""
    return digest.of_text(system, *(part for message in messages for part in (message.role, message.text)))
