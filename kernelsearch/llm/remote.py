"""A model behind an HTTP API: retries, timing and settlement around one provider's way of asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from kernelsearch.errors import LlmBusy, LlmMisconfigured
from kernelsearch.llm.base import Message, Reply
from kernelsearch.llm.outcome import Answer, Endpoint, settle
from kernelsearch.llm.retry import Retry, Transient

Ask = Callable[[Endpoint, str, Sequence[Message], int], Answer]


class Unreachable(Transient):
    """Nothing listens at the endpoint, or its name is unknown."""


class RemoteModel:
    """Calls `ask`, which makes one request and raises `Transient` or an `LlmError`. A client lives for one request, so there is
    nothing to close and nothing that threads share; a new connection costs little beside a generation."""

    def __init__(self, endpoint: Endpoint, ask: Ask, retry: Retry) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._retry = retry
        self._reached = False

    @property
    def name(self) -> str:
        return self._endpoint.name

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        started = time.monotonic()
        try:
            answer = self._retry(lambda: self._ask(self._endpoint, system, messages, seed), who=self.name)
        except LlmBusy as error:
            # An endpoint that never answered is a wrong address; one that did has gone away, and may come back.
            if isinstance(error.__cause__, Unreachable) and not self._reached:
                where = self._endpoint.base_url or self._endpoint.provider
                raise LlmMisconfigured(f"nothing answers at {where}; check the base URL and the network: {error}") from error
            raise
        self._reached = True
        return settle(answer, self._endpoint, time.monotonic() - started)
