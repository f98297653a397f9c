"""A worker at a spool: it claims requests, has them judged, and writes what came of them, until it is told to end or all is done.

The main thread alone touches the folder, but for the beat. Judging happens in threads, which share nothing but the station.
"""

from __future__ import annotations

import base64
import contextlib
import math
import os
import re
import secrets
import socket
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from kernelsearch.errors import UsageError
from kernelsearch.model import Environment, Evaluation, Hardware
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.claims import LEASE_S, Claims, Pulse, living, note
from kernelsearch.workers.spool.count import Busy, Count
from kernelsearch.workers.spool.folder import Folder, read
from kernelsearch.workers.spool.letters import Answer, OtherFormat, Served, Wanted, Worked, pack
from kernelsearch.workers.spool.letters import wanted as read_wanted

FAILURES = 3  # so many workers may fail at a request before it is answered with that

Say = Callable[[str], None]


class Station(Protocol):
    """What judges requests. Thread-safe."""

    @property
    def hardware(self) -> Hardware: ...

    @property
    def environment(self) -> Environment: ...

    @property
    def held_s(self) -> float:
        """How long this process has held the device so far."""
        ...

    def report(self, name: str) -> bytes | None:
        """The profiler's report of that name, of something that was judged here."""
        ...

    def judge(self, wanted: Wanted) -> Evaluation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a worker serves. `idle_s`: it ends when every request has had its answer for so long; None is never."""

    idle_s: float | None = None
    parallel: int = 1
    lease_s: float = LEASE_S
    poll_s: float = 0.2

    @property
    def beat_s(self) -> float:
        """Many beats in a lease, since a shared disk may show some of them late."""
        return min(2.0, self.lease_s / 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Told to end: `stop` after the requests in hand, `drop` at once."""

    stop: threading.Event = field(default_factory=threading.Event)
    drop: threading.Event = field(default_factory=threading.Event)


def serve(path: Path, station: Station, terms: Terms, ending: Ending, say: Say) -> Count:
    """Serve the spool at `path`; `say` takes a plain line for each request. Raises what broke this worker, with its claims given back."""
    folder = Folder(path)
    _check_owner(path)
    name = f"{re.sub('[^A-Za-z0-9-]', '-', socket.gethostname())[:40].strip('-') or 'host'}-{os.getpid()}-{secrets.token_hex(3)}"
    served = Served(worker=name, environment=station.environment, hardware=station.hardware, lease_s=terms.lease_s, beat_s=terms.beat_s)
    worker = _Worker(folder, station, terms, say, Claims(folder, name, Pulse(folder)))
    with living(folder, served):
        worker.go(ending)
    return worker.count


def _check_owner(path: Path) -> None:
    """A request holds the task's reference, which is run outside any box: what anyone may write here, anyone may run."""
    mode = path.stat().st_mode
    if mode & stat.S_IWOTH:
        raise UsageError(f"anyone on this machine may write to {path}, and so run code as you: chmod o-w {path}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _InHand:
    name: str
    number: int  # of the claim
    wanted: Wanted
    began: float


@dataclass(slots=True)
class _Worker:
    folder: Folder
    station: Station
    terms: Terms
    say: Say
    claims: Claims
    count: Count = field(default_factory=Count)
    hand: dict[Future[Evaluation], _InHand] = field(default_factory=dict)
    unsent: list[tuple[_InHand, Answer]] = field(default_factory=list)
    passed_by: set[str] = field(default_factory=set)  # requests that are not for this worker
    said: set[str] = field(default_factory=set)
    written: Worked = Worked(worker="", answered=0, waited_s=0.0, held_s=0.0)

    def go(self, ending: Ending) -> None:
        busy, device = time.monotonic(), Busy(self.count, lambda: self.station.held_s)
        try:
            while not ending.drop.is_set():
                self._send()
                open_requests = 0 if ending.stop.is_set() else self._take()
                device.look(bool(self.hand or open_requests))
                self._note(self.terms.beat_s)
                if self.hand or self.unsent or open_requests:
                    busy = time.monotonic()
                elif ending.stop.is_set() or time.monotonic() - busy >= (math.inf if self.terms.idle_s is None else self.terms.idle_s):
                    return
                self._wait(ending)
        finally:
            device.look(False)
            self._note(0.0)
            for held in (*self.hand.values(), *(held for held, _ in self.unsent)):
                self._give_back(held, "")

    def _note(self, after_s: float) -> None:
        """Write down what was done, `after_s` since that was written last, if there is anything."""
        worked = self.count.worked(self.claims.worker)
        if worked.waited_s - self.written.waited_s > after_s or worked.answered > self.written.answered:
            with contextlib.suppress(OSError):  # a full disk: answers say so
                note(self.folder, worked)
                self.written = worked

    def _wait(self, ending: Ending) -> None:
        """Until something was judged, or it is time to look again."""
        if not self.hand:
            (ending.drop if ending.stop.is_set() else ending.stop).wait(self.terms.poll_s)
            return
        done, _ = wait(self.hand, timeout=self.terms.poll_s, return_when=FIRST_COMPLETED)
        for future in done:
            self._judged(self.hand.pop(future), future)

    def _take(self) -> int:
        """Claim what is free, as far as there is room. How many requests have no answer yet, this worker's own among them."""
        for path in self.folder.foreign("requests"):
            self._aside(path, "it is not named as a request is")
        results, claimed = self.folder.known("results"), self.claims.all()
        for name in results & claimed.keys():  # left by one that ended between its answer and the end of its claim
            self.claims.clear(name, claimed[name])
        held = {item.name for item in (*self.hand.values(), *(item for item, _ in self.unsent))}
        still_open = [name for name in self.folder.names("requests") if name not in results and name not in self.passed_by]
        for name in still_open:
            if len(self.hand) >= self.terms.parallel:
                break
            number = claimed.get(name, 0)
            if name not in held and self.claims.free(name, number):
                self._begin(name, number)
        return len([name for name in still_open if name not in self.passed_by])

    def _begin(self, name: str, number: int) -> None:
        wanted = self._read(name)
        if wanted is None or not self.claims.take(name, number):
            return
        held = _InHand(name=name, number=number + 1, wanted=wanted, began=time.monotonic())
        if self.folder.file("results", name).exists():  # it was answered while we looked
            self.claims.clear(name, held.number)
            return
        before = self.claims.read(name, number) if number else None
        self.count.taken_over += before is not None and not before.over
        self.hand[in_thread(self.station.judge, wanted)] = held

    def _read(self, name: str) -> Wanted | None:
        """The request, if it is whole and for this worker."""
        path = self.folder.file("requests", name)
        try:
            data = read(path)
            if data is None:
                return None
            wanted = read_wanted(name, data)
        except OtherFormat as error:
            self._refuse(name, str(error))
            return None
        except UsageError as error:
            self._aside(path, str(error))
            return None
        if wanted.times not in ("", self.station.environment.time_kind):
            self._refuse(name, f"it asks for {wanted.times} times, and those of {self.station.environment.device} are not")
            return None
        return wanted

    def _refuse(self, name: str, why: str) -> None:
        self.passed_by.add(name)
        self.count.refused += 1
        self.say(f"{name[:12]}  left to others: {why}")

    def _aside(self, path: Path, why: str) -> None:
        if self.folder.settled(path) and (told := self.folder.set_aside(path, why)):
            self.count.refused += 1
            self.say(told)

    def _judged(self, held: _InHand, future: Future[Evaluation]) -> None:
        error = future.exception()
        if error is None:
            evaluation = future.result()
            facts = {**evaluation.environment.facts, "worker": self.claims.worker}
            there = replace(evaluation, environment=replace(evaluation.environment, facts=facts))
            answer = Answer(
                request=held.name,
                worker=self.claims.worker,
                evaluation=there,
                hardware=self.station.hardware,
                report=self._report(evaluation),
            )
        elif isinstance(error, UsageError):  # of the request: no other worker could do better
            answer = self._failed(held, error, str(error))
        else:
            self._give_back(held, f"{type(error).__name__}: {error}")
            failures = self.claims.failures(held.name, held.number)
            if len(failures) >= FAILURES:
                self._deliver(held, self._failed(held, error, f"{len(failures)} workers failed at it; {'; '.join(failures)}"))
            raise error
        self.unsent.append((held, answer))

    def _report(self, evaluation: Evaluation) -> str:
        data = self.station.report(evaluation.profile.report) if evaluation.profile is not None and evaluation.profile.report else None
        return "" if data is None else base64.b64encode(data).decode()

    def _failed(self, held: _InHand, error: BaseException, words: str) -> Answer:
        return Answer(request=held.name, worker=self.claims.worker, failure=words or "no reason was given", error=type(error).__name__)

    def _send(self) -> None:
        """Write what was judged. A disk that refuses is asked again: the answer was paid for."""
        waiting, self.unsent = self.unsent, []
        for held, answer in waiting:
            try:
                self._deliver(held, answer)
            except OSError as error:
                self.unsent.append((held, answer))
                self._once(f"cannot write {error.filename}: {error.strerror}; make room there, the answer is kept until then")

    def _deliver(self, held: _InHand, answer: Answer) -> None:
        first = self.folder.put_once(self.folder.file("results", held.name), pack(answer))
        seconds = time.monotonic() - held.began
        if first:
            self.count.answered += 1
        else:
            self.count.late += 1
            (self.folder.path / "late" / f"{held.name}.{self.claims.worker}").touch()
        self.claims.clear(held.name, held.number)
        late = "" if first else "  (late: not used)"
        self.say(f"{held.name[:12]}  {held.wanted.task.name:24}  {_told(answer):24}  {seconds:6.1f} s{late}")

    def _give_back(self, held: _InHand, failure: str) -> None:
        self.count.returned += 1
        self.claims.give_back(held.name, held.number, failure)
        self.say(f"{held.name[:12]}  {held.wanted.task.name:24}  given back{f': {failure}' if failure else ''}")

    def _once(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.say(text)


def _told(answer: Answer) -> str:
    evaluation = answer.evaluation
    if evaluation is None:
        return f"failed: {answer.failure}"
    if evaluation.time_us is None:
        return evaluation.verdict.value
    kind = "modelled " if evaluation.environment.time_kind == "modelled" else ""
    return f"{evaluation.verdict.value} {evaluation.time_us:.4g} {kind}µs"
