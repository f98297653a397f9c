"""The one thread that hands requests to seats and takes answers in. What it decides is in `dispatch`; here it meets time and futures."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future

from kernelsearch.device.base import IN_USE
from kernelsearch.errors import KernelSearchError, UsageError
from kernelsearch.model import Environment
from kernelsearch.workers.crew.base import Answered, Crew, Event, Grown, Lost, Ready, as_error
from kernelsearch.workers.crew.dispatch import Dispatcher, Terms
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.letters import Served

_WAITING = 2  # requests that wait for a seat, at the most, in multiples of what all seats hold
_ENDED = "the run ended before this was answered"


class Foreman:
    """`first` is what the first seat that was ready said of itself. `say` takes sentences for a person, from any thread."""

    def __init__(self, crew: Crew, terms: Terms, say: Callable[[str], None]) -> None:
        self.first: Future[Served] = Future()
        self.dispatcher = Dispatcher(crew.seats, terms)
        self._crew, self._say = crew, say
        self._said: set[str] = set()
        self._numbers = itertools.count()
        self._new: list[tuple[int, bytes, Future[bytes]]] = []
        self._asked: dict[int, tuple[bytes, Future[bytes]]] = {}
        self._room = threading.BoundedSemaphore((1 + _WAITING) * terms.room * max(1, crew.seats))
        self._lock = threading.Lock()
        self._closed, self._down = threading.Event(), threading.Event()
        self._over: KernelSearchError | None = None  # why nothing more can be answered
        self._thread = in_thread(self._go)
        self._thread.add_done_callback(self._ended)

    def submit(self, data: bytes) -> Future[bytes]:
        """Have a packed request answered. Waits while too many are under way."""
        self._room.acquire()
        future: Future[bytes] = Future()
        future.add_done_callback(lambda _: self._room.release())
        with self._lock:
            if (over := UsageError(_ENDED) if self._closed.is_set() else self._over) is None:
                self._new.append((next(self._numbers), data, future))
        if over is not None:
            future.set_exception(over)
        self._crew.nudge()
        return future

    def close(self) -> None:
        """What is under way ends without an answer, and with it all seats."""
        with self._lock:
            self._closed.set()
        self._crew.nudge()
        self._down.wait()

    def _go(self) -> None:
        crew, dispatcher = self._crew, self.dispatcher
        crew.start()
        while not self._closed.is_set():
            self._take_in()
            now = crew.now()
            while (seat := dispatcher.overdue(now)) is not None:
                self._lose(Lost(seat=seat, why=f"no answer for {dispatcher.patience_s:.0f} s", error="DeviceLost"))
            for handed in dispatcher.hand_out(now):
                crew.begin(handed.seat, handed.turn, handed.number, self._asked[handed.number][0])
            for event in crew.wait(dispatcher.due_in(now)):
                self._happened(event)

    def _ended(self, thread: Future[None]) -> None:
        """Whatever ended the thread, nobody waits for an answer any more."""
        error = thread.exception()
        self._stop(UsageError(_ENDED) if error is None else error)
        self._crew.close()
        self._down.set()

    def _take_in(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        for number, data, future in new:
            self._asked[number] = (data, future)
            self.dispatcher.put(number)

    def _happened(self, event: Event) -> None:
        match event:
            case Answered():
                if self.dispatcher.answered(event.turn, event.number, self._crew.now()):
                    self._asked.pop(event.number)[1].set_result(event.data)
            case Ready():
                self._welcome(event)
            case Lost():
                self._lose(event)
            case Grown():
                for seat in event.seats:
                    self.dispatcher.add(seat)

    def _welcome(self, event: Ready) -> None:
        if not self.first.done():
            self.first.set_result(event.served)
        ours, theirs = self.first.result().environment, event.served.environment
        if why := _other(ours, theirs):
            self._lose(Lost(seat=event.seat, why=why, blamed=False, final=True))
        else:
            self.dispatcher.ready(event.seat)
            if in_use := theirs.facts.get(IN_USE):
                self._once(f"{event.served.worker}: {in_use}")

    def _lose(self, event: Lost) -> None:
        loss = self.dispatcher.lost(event.seat, event.why, blamed=event.blamed)
        renew = loss.renew and not event.final
        if renew:
            self._crew.renew(event.seat)
        else:
            self.dispatcher.retire(event.seat)
            self._crew.retire(event.seat)
        what = "it is started again" if renew else "the others go on without it"
        if self.dispatcher.alive:
            self._once(f"{event.why.strip() or 'a place where kernels are judged was lost'}; {what}")
        for number, reasons in loss.given_up:
            _, future = self._asked.pop(number)
            future.set_exception(as_error(event.error, f"{len(reasons)} times what judged a kernel was lost over it; {'; '.join(reasons)}"))
        if not self.dispatcher.alive:
            self._stop(as_error(event.error, event.why))

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)

    def _stop(self, error: BaseException) -> None:
        """Nothing more will be answered."""
        with self._lock:
            self._over = error if isinstance(error, KernelSearchError) else UsageError(f"{type(error).__name__}: {error}")
            new, self._new = self._new, []
        waiting = [future for _, future in self._asked.values()] + [future for _, _, future in new]
        self._asked.clear()
        for number in self.dispatcher.open_requests():
            self.dispatcher.give_up(number)
        for future in waiting:
            future.set_exception(error)
        if not self.first.done():
            self.first.set_exception(error)


def _other(ours: Environment, theirs: Environment) -> str:
    """Why times of two seats do not belong into one run, if they do not."""
    if (ours.device, ours.time_kind) == (theirs.device, theirs.time_kind):
        return ""
    return f"{theirs.device} is left out: this run is judged on {ours.device}, and times of two kinds of device are not comparable"
