"""A model that gives recorded answers: the scripted model of tests, demonstrations and reproduced runs.

Answers are given in their order, or by the prompt they were given to; the second reproduces a run whose attempts overlapped, but only
while every prompt is the same to the letter, which measured times are not.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kernelsearch.errors import NothingToPropose, UsageError
from kernelsearch.llm.base import Message, Reply, prompt_digest, sized
from kernelsearch.llm.recording import ANSWERS, Exchange, read_exchanges

By = Literal["order", "digest"]


class Replay:
    """`path`: a file of exchanges, or the folder of a run. `by="digest"` gives equal prompts their answers in the recorded order. `skip`
    answers were used by an earlier session."""

    def __init__(self, path: Path, *, by: By = "order", skip: int = 0) -> None:
        self._path = path
        self._by = by
        self._lock = threading.Lock()
        self._left: defaultdict[str, deque[Exchange]] = defaultdict(deque)
        path = path / ANSWERS if path.is_dir() else path
        exchanges = read_exchanges(path)
        if by == "digest" and any(not exchange.prompt_digest for exchange in exchanges):
            raise UsageError(f"{path}: not every line has a prompt_digest, so answers can only be given by order")
        for exchange in exchanges[skip:]:
            self._left[self._key(exchange.prompt_digest)].append(exchange)

    @property
    def name(self) -> str:
        return f"replay:{self._path}"

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        key = self._key(prompt_digest(system, messages))
        with self._lock:
            if not self._left[key]:
                what = "no answer to this prompt" if self._by == "digest" else "no answer"
                raise NothingToPropose(f"{self._path} holds {what} that was not given yet")
            exchange = self._left[key].popleft()
        return sized(exchange.answer(), self.name)

    def _key(self, digest: str) -> str:
        return digest if self._by == "digest" else ""
