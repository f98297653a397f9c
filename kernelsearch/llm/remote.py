"""A model behind an HTTP API: retries, timing and settlement around one provider's way of asking.

Whatever a request ends in, what the server may charge for it is in the usage of exactly one reply or refusal, that of the call it was
made for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from kernelsearch.errors import LlmBusy, LlmMisconfigured
from kernelsearch.llm import estimate
from kernelsearch.llm.base import Message, Reason, RefusedReply, Reply
from kernelsearch.llm.heard import Endless, Heard
from kernelsearch.llm.outcome import Call, Endpoint, refused, settle
from kernelsearch.llm.retry import Broken, Lost, Retry, Transient, Unsupported
from kernelsearch.model import Usage

Ask = Callable[[Call, Heard], None]


class Unreachable(Transient):
    """Nothing listens at the endpoint, or its name is unknown."""


@dataclass(slots=True)
class _Talk:
    """One call with all its requests: the present one, and what earlier ones cost that were made in vain."""

    asked: int  # tokens that are sent, estimated
    heard: Heard = field(default_factory=Heard)
    lost: Usage = field(default_factory=Usage)

    def again(self, endpoint: Endpoint) -> Heard:
        """What to fill for the next request; what the one before cost is kept."""
        if self.heard.begun:
            self.lost += replace(self.heard.usage(endpoint.prices, self.asked), calls=0)
        self.heard = Heard()
        return self.heard

    def usage(self, endpoint: Endpoint, seconds: float) -> Usage:
        """Of the whole. A request that the server turned away costs nothing."""
        last = self.heard.usage(endpoint.prices, self.asked) if self.heard.begun else Usage(calls=1)
        return replace(self.lost + last, seconds=seconds)


class RemoteModel:
    """Calls `ask`, which makes one request, fills what is heard, and raises `Transient`, `Broken`, `Unsupported` or an `LlmError`. A
    client lives for one request, so there is nothing to close and nothing that threads share."""

    def __init__(self, endpoint: Endpoint, ask: Ask, retry: Retry, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._ask = ask
        self._retry = retry
        self._clock = clock
        self._understood = False  # the endpoint has answered in its protocol, so its address is right
        self._without: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self._endpoint.name

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        started = self._clock()
        call = Call(endpoint=self._endpoint, system=system, messages=messages, seed=seed)
        talk = _Talk(estimate.conversation(system, messages))
        try:
            self._retry(lambda: self._request(call, talk), who=self.name)
        except RefusedReply as error:
            usage = talk.usage(self._endpoint, self._clock() - started)
            raise RefusedReply(str(error), reason=error.reason, text=talk.heard.text, usage=usage) from error
        except (LlmBusy, LlmMisconfigured, Broken, Endless) as error:
            raise self._failed(error, talk, self._clock() - started) from error
        finally:
            self._understood = self._understood or talk.heard.understood
        return settle(talk.heard, self._endpoint, talk.usage(self._endpoint, self._clock() - started))

    def _request(self, call: Call, talk: _Talk) -> None:
        """One request, and at once another without each parameter that the server turns out not to know."""
        while True:
            now = replace(call, without=self._without)
            try:
                return self._ask(now, talk.again(self._endpoint))
            except Unsupported as error:
                if error.parameter in now.without:
                    raise LlmMisconfigured(str(error)) from error
                self._without |= {error.parameter}

    def _failed(self, error: Exception, talk: _Talk, seconds: float) -> Exception:
        """What is raised for a call without an answer: a refusal with its cost where there may be any, so that it is recorded."""
        usage = talk.usage(self._endpoint, seconds)
        if isinstance(error, Endless):
            return self._refused("oversized", str(error), talk, usage)
        if talk.heard.understood or isinstance(error, Lost) or (usage.tokens and (self._understood or not isinstance(error, Broken))):
            return self._refused("interrupted", str(error), talk, usage)
        where, protocol = self._endpoint.where, self._endpoint.protocol
        if isinstance(error, Broken):
            if self._understood:
                return LlmBusy(f"{self.name} sent something else than an answer: {error}")
            return LlmMisconfigured(f"{where} does not speak the {protocol} protocol ({error}); check the base URL")
        # An endpoint that never answered is a wrong address; one that did has gone away, and may come back.
        if isinstance(error.__cause__, Unreachable) and not self._understood:
            return LlmMisconfigured(f"nothing answers at {where}; check the base URL and the network: {error}")
        return error

    def _refused(self, reason: Reason, word: str, talk: _Talk, usage: Usage) -> RefusedReply:
        return refused(talk.heard, self._endpoint, usage, reason, word)
