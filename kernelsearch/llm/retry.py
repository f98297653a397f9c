"""When a call to a model is made again: rate limits, overload, and servers that fail before they answer; nothing else.

An answer that began and broke off may have been paid for, so it is not asked for again behind the search's back: it is one recorded
attempt. The SDKs' own retries are switched off, so that this is the one place that decides how long to wait and when to give up.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kernelsearch.errors import LlmBusy

T = TypeVar("T")


class Transient(Exception):
    """A call failed in a way that may pass; never leaves this package. `retry_after_s` is what the server asked for, if it did."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Broken(Exception):
    """What came is no whole answer, or not one in the protocol that was spoken; never leaves this package."""


class Lost(Broken):
    """The connection went away, or went silent, after the server took the request."""


class Unsupported(Exception):
    """The server does not know `parameter`, which it can be asked without; never leaves this package."""

    def __init__(self, message: str, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential back-off: `first_s`, doubled each time up to `ceiling_s`, each wait shortened by up to half at random so that
    parallel attempts do not come back together. A server's own wish is a lower bound; one above `patience_s` ends the call."""

    attempts: int = 6
    first_s: float = 1.0
    ceiling_s: float = 60.0
    patience_s: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random  # uniform in [0, 1)

    def __call__(self, call: Callable[[], T], *, who: str) -> T:
        """The result of `call`, made again while it raises `Transient`; raises `LlmBusy` when that does not help."""
        for attempt in range(1, self.attempts + 1):
            try:
                return call()
            except Transient as error:
                wished = error.retry_after_s or 0.0
                if wished > self.patience_s:
                    raise LlmBusy(f"{who} asks to wait {wished:.0f} s: {error}; try again later or use another model") from error
                if attempt == self.attempts:
                    raise LlmBusy(f"{who} did not answer in {attempt} attempts: {error}; try again later or lower --parallel") from error
                self.sleep(self._wait(attempt, wished))
        raise ValueError("at least one attempt is needed")

    def _wait(self, attempt: int, wished: float) -> float:
        planned = min(self.ceiling_s, self.first_s * 2.0 ** (attempt - 1))
        return max(wished, planned * (1 - self.chance() / 2))
