"""Runs what a suite has still to do: one thread of ours for the folder and what is told, one more for each search under way.

What a task does wrong is its row, and the rest goes on. What cannot be said to be the task's fault leaves no row: the table shows it as
missing, and a resumed suite takes it up. A search that was broken off is gone on with, never begun again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from kernelsearch import digest, search
from kernelsearch.errors import BaselineFailed, DeviceLost, KernelSearchError, LlmMisconfigured, ToolMissing, UsageError
from kernelsearch.model import Row, RunSpec, Task
from kernelsearch.search import Event
from kernelsearch.store import pulse
from kernelsearch.store.rundir import RunFolder
from kernelsearch.suite import rows
from kernelsearch.suite.folder import SuiteFolder
from kernelsearch.suite.places import Places
from kernelsearch.suite.plan import Entry, Job
from kernelsearch.suite.rows import Beside
from kernelsearch.workers.local import in_thread

_LOOK_S = 0.1
_TRIES = 2  # of a task during which a device was lost: it may have been the task that did it
STOPPED, DONE = search.STOPPED, "all searches are done"

Yardsticks = Callable[[Task, RunSpec], Beside]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the runner needs. Only its own thread, the one of `run`, calls `watch`, `began`, `told` and `missed`.

    `load` finds a task again, `device` says on which one it can run where its place names none; `yardsticks` is called in the thread of a
    search, before it.
    """

    home: SuiteFolder
    places: Places
    load: Callable[[Entry], Task]
    watch: Callable[[Job, Event], None]
    began: Callable[[Job, str], None]
    told: Callable[[Row], None]
    missed: Callable[[Job, str], None]
    stop: threading.Event
    device: Callable[[Task, RunSpec], str] = lambda task, spec: spec.device
    yardsticks: Yardsticks = lambda task, spec: Beside()


@dataclass(slots=True)
class _Under:
    """A search under way. Its clock is that of all its sessions."""

    job: Job
    place: str
    stop: threading.Event
    limit_s: float | None
    began: float = field(default_factory=time.monotonic)
    late: bool = False

    def look(self, stopping: bool) -> None:
        if self.limit_s is not None and time.monotonic() - self.began >= self.limit_s and not self.stop.is_set():
            self.late = True
            self.stop.set()
        if stopping:
            self.stop.set()


def run(batch: Batch) -> str:
    """Run what has no row yet. Returns why it ended: all is done, it was stopped, or no device is left.

    Raises `ToolMissing` and `LlmMisconfigured` where the first search meets it: what the machine lacks for one, it lacks for all.
    """
    return _Runner(batch).run()


class _Runner:
    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._waiting = deque(batch.home.todo)
        self._under: dict[Future[Row | None], _Under] = {}
        self._events: SimpleQueue[tuple[Job, Event]] = SimpleQueue()
        self._lost: dict[str, int] = {}
        self._any = bool(batch.home.rows)
        self._fatal: BaseException | None = None
        self._yardsticks = _Once(batch.yardsticks)

    def run(self) -> str:
        while True:
            stopping = self._batch.stop.is_set() or self._fatal is not None
            while self._waiting and not stopping and self._start(self._waiting[0]):
                self._waiting.popleft()
            if not self._under:
                break
            done, _ = wait(self._under, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            self._listen()
            for under in self._under.values():
                under.look(self._batch.stop.is_set() or self._fatal is not None)
            for future in done:
                self._finish(self._under.pop(future), future)
        if self._fatal is not None:
            raise self._fatal
        return self._ended()

    def _ended(self) -> str:
        if self._batch.stop.is_set():
            return STOPPED
        if self._waiting:
            return f"no device is left for {len(self._waiting)} searches"
        open_jobs = len(self._batch.home.todo)
        return f"{open_jobs} searches could not be made" if open_jobs else DONE

    def _start(self, job: Job) -> bool:
        place = self._batch.places.acquire(job)
        if place is None:
            return False
        minutes = self._batch.home.header.task_minutes
        under = _Under(job=job, place=place, stop=threading.Event(), limit_s=None if minutes is None else 60 * minutes)
        self._batch.began(job, place)
        self._under[in_thread(self._search, under)] = under
        return True

    def _listen(self) -> None:
        while not self._events.empty():
            self._batch.watch(*self._events.get())

    def _finish(self, under: _Under, future: Future[Row | None]) -> None:
        error = future.exception()
        self._batch.places.release(under.place, lost=isinstance(error, DeviceLost))
        try:
            if error is None:
                row = future.result()
                if row is None:
                    self._batch.missed(under.job, STOPPED)
                else:
                    self._record(row)
            else:
                self._trouble(under.job, error)
        except UsageError as refused:  # the disk
            self._fatal = self._fatal or refused

    def _record(self, row: Row) -> None:
        self._any = True
        self._batch.home.append(row)
        self._batch.told(row)

    def _trouble(self, job: Job, error: BaseException) -> None:
        folder = self._batch.home.run_folder(job)
        if isinstance(error, DeviceLost):
            self._device_lost(job, error)
        elif isinstance(error, BaselineFailed) and (folder / "run.json").exists():
            self._record(rows.from_folder(folder, job))
        elif isinstance(error, BaselineFailed) or (isinstance(error, UsageError) and not (folder / "run.json").exists()):
            self._record(rows.failed(job, str(error), folder))
        elif isinstance(error, MemoryError):
            self._record(rows.failed(job, f"it does not fit in this machine's memory{f': {error}' if str(error) else ''}", folder))
        elif isinstance(error, ToolMissing | LlmMisconfigured) and not self._any:
            self._fatal = self._fatal or error
        elif isinstance(error, KernelSearchError | OSError):
            self._batch.missed(job, str(error))
        else:
            self._fatal = self._fatal or error

    def _device_lost(self, job: Job, error: DeviceLost) -> None:
        self._lost[job.label] = lost = self._lost.get(job.label, 0) + 1
        if lost >= _TRIES:
            why = f"a device was lost {lost} times during this task: {error}"
            self._record(rows.failed(job, why, self._batch.home.run_folder(job)))
            return
        self._waiting.appendleft(job)
        self._batch.missed(
            job, f"{error}; {'it is tried again on another device' if self._batch.places.left else 'no other device is left'}"
        )

    # In the thread of a search

    def _search(self, under: _Under) -> Row | None:
        """The row, or None where we were stopped before there was one."""
        job, path = under.job, self._batch.home.run_folder(under.job)
        before = _before(path)
        task = self._load(job.entry) if before is None else before.task
        spec = job.spec(under.place)
        if not under.place:
            spec = replace(spec, device=self._batch.device(task, spec))
        beside = self._yardsticks(task, spec)
        late = replace(beside, censored=f"time limit of the task reached: {self._batch.home.header.task_minutes or 0:g} minutes")
        if before is not None:
            if before.settled:
                return rows.from_folder(path, job, beside)
            if under.limit_s is not None and before.seconds >= under.limit_s:
                return rows.from_folder(path, job, late)
            under.began -= before.seconds
        if under.stop.is_set() and not under.late:
            return None
        result = self._go(before, task, spec, path, under)
        if result.ended == STOPPED and not under.late:
            return None
        return rows.from_folder(path, job, late if result.ended == STOPPED else beside)

    def _go(self, before: _Before | None, task: Task, spec: RunSpec, path: Path, under: _Under) -> search.Result:
        def watch(event: Event) -> None:
            self._events.put((under.job, event))

        if before is None:
            return search.optimize(task, spec, path, watch=watch, stop=under.stop)
        return search.resume(path, device=under.place, watch=watch, stop=under.stop)

    def _load(self, entry: Entry) -> Task:
        try:
            task = self._batch.load(entry)
        except UsageError as error:
            raise _Changed(f"{entry.ref} was there when the suite began, and is not now: {error}") from error
        if digest.task(task) != entry.digest:
            raise _Changed(f"{entry.ref} is not the task any more that the suite began with: put it back, or start a new suite")
        return task


class _Changed(KernelSearchError):
    """A task was edited since the suite began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """A run that is there already. `settled`: there is nothing to go on with."""

    task: Task
    settled: bool
    seconds: float


def _before(path: Path) -> _Before | None:
    """What is there of a search. A folder without a header, as a kill can leave it, is put aside."""
    if not path.exists():
        return None
    if not (path / "run.json").is_file():
        path.rename(next(p for p in (path.with_name(f"{path.name}.broken{n or ''}") for n in range(10_000)) if not p.exists()))
        return None
    home, end = RunFolder.open(path), pulse.ended(path)
    unfit = bool(home.nodes) and not home.nodes[0].passed
    settled = unfit or (end is not None and not end.failed and end.reason != STOPPED)
    return _Before(task=home.task, settled=settled, seconds=home.journal.totals.seconds)


class _Once:
    """Yardsticks of a task on a device, measured once in a session however many searches there are of it."""

    def __init__(self, measure: Yardsticks) -> None:
        self._measure = measure
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._found: dict[tuple[str, str], Beside] = {}

    def __call__(self, task: Task, spec: RunSpec) -> Beside:
        key = (spec.task, spec.device)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._found:
                self._found[key] = self._measure(task, spec)
            return self._found[key]
