"""A language model as a function from messages to a reply. Providers: anthropic, openai (and any compatible server), replay, mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

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


class LanguageModel(Protocol):
    """Thread-safe. `complete` raises `LlmBusy` after its retries, `LlmRefused` for a declined, truncated or empty answer (with
    `usage` on the exception where the server charged for it), `LlmMisconfigured` otherwise."""

    @property
    def name(self) -> str:
        """provider:model."""
        ...

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply: ...
