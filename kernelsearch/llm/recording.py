"""Exchanges with a model as lines of JSON: what `replay` reads and `Recording` writes.

One line an exchange. Written by hand, `{"reply": "…"}` is enough.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.llm.base import LanguageModel, Message, Reason, RefusedReply, Reply, prompt_digest
from kernelsearch.model import Usage
from kernelsearch.scrub import scrub

ANSWERS = "answers.jsonl"  # of a run, in its folder
_ONE_AT_A_TIME = threading.Lock()  # models of a pool may share a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One answer. `refused` is why it was not usable; `reply` then is the text so far and `detail` the message."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    reply: str
    model: str = ""
    prompt_digest: str = ""
    usage: Usage = Usage()
    refused: Reason | None = None
    detail: str = ""

    def answer(self) -> Reply:
        """The reply as it was; raises `RefusedReply` again for one that was refused."""
        if self.refused is not None:
            raise RefusedReply(self.detail or self.refused, reason=self.refused, text=self.reply, usage=self.usage)
        return Reply(text=self.reply, model=self.model, usage=self.usage)


def read_exchanges(path: Path) -> tuple[Exchange, ...]:
    """The exchanges in `path`; blank lines count for nothing. Raises `UsageError` naming file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        why = "no model was asked in that run" if path.parent.is_dir() and path.name == ANSWERS else "no such file or folder"
        raise UsageError(f"cannot read recorded answers from {path}: {why}") from error
    except OSError as error:
        raise UsageError(f"cannot read recorded answers from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} holds no recorded answers: it is not text in UTF-8") from error
    exchanges = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                exchanges.append(codec.load_json(Exchange, line))
            except UsageError as error:
                raise UsageError(f"{path}, line {number}: {error}; a line is like {{'reply': '…'}} in JSON") from error
    return tuple(exchanges)


class Recording:
    """Another model, with every exchange appended to `path`, so that the run can be replayed."""

    def __init__(self, model: LanguageModel, path: Path) -> None:
        self._model = model
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a", encoding="utf-8").close()
        except OSError as error:
            raise UsageError(f"cannot record answers in {path}: {error.strerror}") from error

    @property
    def name(self) -> str:
        return self._model.name

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        prompt = prompt_digest(system, messages)
        try:
            reply = self._model.complete(system, messages, seed=seed)
        except RefusedReply as error:
            self._append(Exchange(reply=error.text, prompt_digest=prompt, usage=error.usage, refused=error.reason, detail=str(error)))
            raise
        self._append(Exchange(reply=reply.text, model=reply.model, prompt_digest=prompt, usage=reply.usage))
        return reply

    def _append(self, exchange: Exchange) -> None:
        clean = replace(exchange, reply=scrub(exchange.reply), detail=scrub(exchange.detail))
        with _ONE_AT_A_TIME, self._path.open("a", encoding="utf-8") as file:
            file.write(codec.dump_json(clean) + "\n")
