"""What carries requests to seats, whatever they are: processes, actors of a cluster, or a simulation in virtual time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from kernelsearch.errors import BaselineFailed, DeviceLost, KernelSearchError, SandboxBroken, ToolMissing, UsageError
from kernelsearch.workers.spool.letters import Served

_OURS: tuple[type[KernelSearchError], ...] = (BaselineFailed, DeviceLost, SandboxBroken, ToolMissing, UsageError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The seat has a lab, and waits for requests."""

    seat: int
    served: Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a seat answered at `turn`: a packed letter."""

    turn: int
    number: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The seat is gone. `error` names the class of what was raised there, if anything was; `blamed`: that may be a request's doing;
    `final`: starting it again is of no use."""

    seat: int
    why: str
    error: str = ""
    blamed: bool = True
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """There are more seats than before; they are being started."""

    seats: tuple[int, ...]


Event = Ready | Answered | Lost | Grown


class Crew(Protocol):
    """Only the foreman's thread calls these, but for `nudge`. None of them raises for what befalls a seat: that is an event."""

    @property
    def seats(self) -> int:
        """How many there are at the start."""
        ...

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        ...

    def start(self) -> None:
        """Start all seats."""
        ...

    def begin(self, seat: int, turn: int, number: int, data: bytes) -> None:
        """Send a packed request to a seat. Its answer comes as an event."""
        ...

    def renew(self, seat: int) -> None:
        """End what is left of a seat and start it again. Answers of its former life may still come."""
        ...

    def retire(self, seat: int) -> None:
        """End what is left of a seat."""
        ...

    def wait(self, timeout_s: float | None) -> Sequence[Event]:
        """What happened, in order; waits for something, or for a nudge, no longer than `timeout_s`."""
        ...

    def nudge(self) -> None:
        """Make `wait` return. From any thread."""
        ...

    def close(self) -> None:
        """End all seats, whatever they are at."""
        ...


class Inbox:
    """Events from any thread, in the order of their coming."""

    def __init__(self) -> None:
        self._events: SimpleQueue[Event | None] = SimpleQueue()

    def now(self) -> float:
        return time.monotonic()

    def tell(self, event: Event) -> None:
        self._events.put(event)

    def nudge(self) -> None:
        self._events.put(None)

    def wait(self, timeout_s: float | None) -> Sequence[Event]:
        found = []
        try:
            found.append(self._events.get(timeout=timeout_s))
            while True:
                found.append(self._events.get_nowait())
        except Empty:
            return [event for event in found if event is not None]


def as_error(name: str, text: str) -> KernelSearchError:
    """One of our exceptions by the name of its class; what we do not know by name is a lost device."""
    return next((kind for kind in _OURS if kind.__name__ == name), DeviceLost)(text)
