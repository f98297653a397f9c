"""How long devices were held: by this process in all, and for each evaluation.

Held is the time in which a job has a device and others wait for it, which is what a busy GPU is to a search: what the job does with it,
counters tell. Spans that overlap (the tools of a sanitizer share a GPU) count once.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar


class Ledger:
    """Seconds in which at least one span was open. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open, self._since, self._sum = 0, 0.0, 0.0

    @property
    def seconds(self) -> float:
        """So far; a span that is still open counts up to now."""
        with self._lock:
            return self._sum + (self._clock() - self._since if self._open else 0.0)

    @contextmanager
    def span(self) -> Iterator[None]:
        with self._lock:
            if not self._open:
                self._since = self._clock()
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    self._sum += self._clock() - self._since


_devices: defaultdict[str, Ledger] = defaultdict(Ledger)
_lock = threading.Lock()
_account: ContextVar[Ledger | None] = ContextVar("account", default=None)


@contextmanager
def holding(device: str) -> Iterator[None]:
    """The block holds the device of that name, for whoever is `counted` in this context."""
    with _lock:
        ledger = _devices[device]
    account = _account.get()
    with ledger.span():
        if account is None:
            yield
        else:
            with account.span():
                yield


@contextmanager
def counted(ledger: Ledger) -> Iterator[None]:
    """What the block holds, in this thread or in a copy of its context, is entered in `ledger`."""
    token = _account.set(ledger)
    try:
        yield
    finally:
        _account.reset(token)


def by_device() -> Mapping[str, float]:
    """Seconds that this process has held each device so far."""
    with _lock:
        return {name: ledger.seconds for name, ledger in _devices.items()}
