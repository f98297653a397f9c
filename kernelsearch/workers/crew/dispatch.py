"""Who does what, and which answer counts. Pure: it is told what happened and when, and says what is to be done.

A request is open until its first answer; whatever comes later is late, and only counted. A seat holds as many requests as it has room for.
When one is lost its requests are free again, and go first. A request that was in hand at a loss is doubted: it is handed out again alone,
so that what breaks seats is found out and does not take others with it; after `failures` losses it is given up. A seat that is
lost `restarts` times in a row, with no answer in between, is not started again. Preempted machines are nobody's fault and count for
neither.

Nothing here looks at all requests or all seats: the cost of an event does not grow with the crew.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

_TIMES_LONGEST = 10  # an evaluation that takes so many times the longest so far will not come


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`room`: requests that a seat holds at a time. `patience_s`: without an answer for so long, and for ten times the longest
    evaluation so far, a seat is taken for lost."""

    room: int = 1
    failures: int = 3
    restarts: int = 5  # more than one request breaks before it is given up
    patience_s: float = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """Request `number` goes to `seat`; `turn` names this handing out, and no other."""

    seat: int
    turn: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a lost seat leads to: whether to start it again, and the requests that are given up, with the reasons."""

    renew: bool
    given_up: tuple[tuple[int, tuple[str, ...]], ...] = ()


@dataclass(slots=True)
class Count:
    """What became of everything: for people, and for those who check."""

    handed: int = 0
    answered: int = 0
    late: int = 0  # answers after the first
    lost: int = 0  # seats, each time


@dataclass(slots=True)
class _Seat:
    ready: bool = False
    alone: bool = False  # with a request that is doubted
    falls: int = 0
    turns: dict[int, int] = field(default_factory=dict)  # the requests in hand


class Dispatcher:
    """See the module."""

    def __init__(self, seats: int, terms: Terms) -> None:
        self.terms = terms
        self.count = Count()
        self._seats = {seat: _Seat() for seat in range(seats)}
        self._by_load: list[dict[int, None]] = [{} for _ in range(terms.room)]  # ready seats with room left, by what they hold
        self._fresh: deque[int] = deque()
        self._doubted: deque[int] = deque()
        self._open: dict[int, list[str]] = {}  # requests without an answer, with what befell seats at them
        self._turns: dict[int, tuple[int, float]] = {}  # in hand: the seat, and since when
        self._since: list[tuple[float, int]] = []  # the same as a heap, with some that are over
        self._draining: int | None = None  # a seat that is to become empty for a doubted request
        self._next = itertools.count()
        self._longest = 0.0

    @property
    def at_work(self) -> int:
        """Seats that can be given something."""
        return sum(seat.ready for seat in self._seats.values())

    @property
    def alive(self) -> int:
        """Seats that are at work or being started."""
        return len(self._seats)

    def add(self, seat: int) -> None:
        """One more seat, which is being started."""
        self._seats.setdefault(seat, _Seat())

    def put(self, number: int) -> None:
        """A new request."""
        self._open[number] = []
        self._fresh.append(number)

    def ready(self, seat: int) -> None:
        """The seat can be given requests."""
        if seat in self._seats:
            self._seats[seat].ready = True
            self._file(seat)

    def hand_out(self, now: float) -> Iterator[Handed]:
        """Give what is free to who has room: the doubted to seats that hold nothing, then the others to those that hold least."""
        while self._next_of(self._doubted) is not None and (seat := self._empty()) is not None:
            yield self._hand(self._doubted.popleft(), seat, now, alone=True)
        while self._next_of(self._fresh) is not None and (seat := self._least()) is not None:
            yield self._hand(self._fresh.popleft(), seat, now)

    def answered(self, turn: int, number: int, now: float) -> bool:
        """Whether this is the answer that counts, also where its seat was given up meanwhile."""
        if (held := self._turns.pop(turn, None)) is not None:
            seat, since = held
            self._longest = max(self._longest, now - since)
            self._drop(seat, turn)
            self._seats[seat].falls = 0
        if self._open.pop(number, None) is None:
            self.count.late += 1
            return False
        self.count.answered += 1
        return True

    def lost(self, seat: int, why: str, *, blamed: bool = True) -> Loss:
        """The seat is gone with all that it had in hand. `blamed`: that may be a request's doing, or the seat's own."""
        if (fallen := self._seats.get(seat)) is None:
            return Loss(renew=False)
        self.count.lost += 1
        self._unfile(seat)
        self._draining = None if seat == self._draining else self._draining
        fallen.falls += blamed
        given_up = tuple(self._freed(fallen, why, blamed))
        fallen.turns.clear()
        fallen.ready = fallen.alone = False
        if fallen.falls < self.terms.restarts:
            return Loss(renew=True, given_up=given_up)
        self.retire(seat)
        return Loss(renew=False, given_up=given_up)

    def retire(self, seat: int) -> None:
        """Give the seat nothing more; what it has in hand must have been freed by `lost`."""
        self._unfile(seat)
        self._seats.pop(seat, None)

    def overdue(self, now: float) -> int | None:
        """A seat that should have answered by now; None when there is none."""
        since = self._oldest()
        return None if since is None or now < since[0] + self.patience_s else self._turns[since[1]][0]

    def due_in(self, now: float) -> float | None:
        """Seconds until a seat is overdue; None while nothing is in hand."""
        since = self._oldest()
        return None if since is None else max(0.0, since[0] + self.patience_s - now)

    @property
    def patience_s(self) -> float:
        """How long a seat may take."""
        return max(self.terms.patience_s, _TIMES_LONGEST * self._longest)

    @property
    def under_way(self) -> int:
        """Requests without an answer."""
        return len(self._open)

    def open_requests(self) -> list[int]:
        """All that have no answer, in the order in which they came."""
        return sorted(self._open)

    def give_up(self, number: int) -> None:
        """The request is no longer open."""
        self._open.pop(number, None)

    def _next_of(self, waiting: deque[int]) -> int | None:
        while waiting and waiting[0] not in self._open:  # answered meanwhile by a seat that was given up
            waiting.popleft()
        return waiting[0] if waiting else None

    def _empty(self) -> int | None:
        if self._by_load[0]:
            return next(iter(self._by_load[0]))
        if self._draining not in self._seats:
            self._draining = next((seat for load in self._by_load for seat in load), None)
        return None

    def _least(self) -> int | None:
        return next((seat for load in self._by_load for seat in load if seat != self._draining), None)

    def _hand(self, number: int, seat: int, now: float, *, alone: bool = False) -> Handed:
        turn = next(self._next)
        self._unfile(seat)
        held = self._seats[seat]
        held.turns[turn], held.alone = number, alone
        self._file(seat)
        if seat == self._draining and alone:
            self._draining = None
        self._turns[turn] = (seat, now)
        heapq.heappush(self._since, (now, turn))
        self.count.handed += 1
        return Handed(seat=seat, turn=turn, number=number)

    def _drop(self, seat: int, turn: int) -> None:
        self._unfile(seat)
        held = self._seats[seat]
        held.turns.pop(turn, None)
        held.alone = held.alone and bool(held.turns)
        self._file(seat)

    def _freed(self, fallen: _Seat, why: str, blamed: bool) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Free what the seat had in hand; yields what is given up."""
        for turn, number in reversed(fallen.turns.items()):
            self._turns.pop(turn, None)
            if number not in self._open:
                continue
            if not blamed:
                self._fresh.appendleft(number)
                continue
            self._open[number].append(why)
            if len(self._open[number]) >= self.terms.failures:
                yield number, tuple(self._open.pop(number))
            else:
                self._doubted.appendleft(number)

    def _file(self, seat: int) -> None:
        held = self._seats[seat]
        if held.ready and not held.alone and len(held.turns) < self.terms.room:
            self._by_load[len(held.turns)][seat] = None

    def _unfile(self, seat: int) -> None:
        if (held := self._seats.get(seat)) is not None and len(held.turns) < self.terms.room:
            self._by_load[len(held.turns)].pop(seat, None)

    def _oldest(self) -> tuple[float, int] | None:
        while self._since and self._since[0][1] not in self._turns:
            heapq.heappop(self._since)
        return self._since[0] if self._since else None
