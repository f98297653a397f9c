"""A lab that judges requests of many searches: each with its own secret, counters and files."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kernelsearch import digest
from kernelsearch.device import held
from kernelsearch.lab import Lab
from kernelsearch.measure.contest import Contest
from kernelsearch.model import Environment, Evaluation, Hardware
from kernelsearch.workers.base import Work
from kernelsearch.workers.local import judge
from kernelsearch.workers.spool.letters import Wanted

_KEPT = 2  # searches whose inputs and expected values stay, most of them in memory, while others are served


@dataclass(slots=True)
class _Room:
    folder: Path
    judged: dict[str, Evaluation] = field(default_factory=dict)  # by the code that candidates were built to
    contest: Contest = field(default_factory=Contest)
    users: int = 0


@dataclass(slots=True)
class LabStation:
    """The device, the toolchain and the walls are the lab's; what a request says cannot change them."""

    lab: Lab
    _rooms: dict[str, _Room] = field(default_factory=dict)  # the one that was used last is last
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def hardware(self) -> Hardware:
        return self.lab.hardware

    @property
    def environment(self) -> Environment:
        return self.lab.environment

    @property
    def held_s(self) -> float:
        return max(held.by_device().values(), default=0.0)  # a lab has one device; another that was open before stands still

    def report(self, name: str) -> bytes | None:
        return None if self.lab.reports is None else self.lab.reports.get(name)

    def judge(self, wanted: Wanted) -> Evaluation:
        with self._room(digest.of_text(digest.task(wanted.task), wanted.secret)) as room:
            lab = replace(self.lab, secret=wanted.secret, metric_set=wanted.metrics, scratch=room.folder, energy=wanted.energy)
            work = Work(task=wanted.task, candidate=wanted.candidate, incumbent=wanted.incumbent, trial=wanted.trial)
            evaluation = judge(work, lab, room.judged.get, room.contest)
            if evaluation.build is not None and evaluation.build.code and work.trial is None:
                room.judged.setdefault(evaluation.build.code, evaluation)
            return evaluation

    @contextmanager
    def _room(self, key: str) -> Iterator[_Room]:
        with self._lock:
            # A new name each time: what is kept in memory of a folder that was removed must not be taken for that of this one.
            room = self._rooms.pop(key, None) or _Room(self.lab.scratch / f"search-{uuid.uuid4().hex}")
            self._rooms[key] = room
            room.folder.mkdir(mode=0o700, exist_ok=True)
            room.users += 1
        try:
            yield room
        finally:
            with self._lock:
                room.users -= 1
                self._tidy()

    def _tidy(self) -> None:
        for key in list(self._rooms)[:-_KEPT]:
            if not self._rooms[key].users:
                shutil.rmtree(self._rooms.pop(key).folder, ignore_errors=True)
