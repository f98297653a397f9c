"""A run's folder: `run.json` (what was chosen), `journal.jsonl`, `blobs/`, `profiles/` with reports of the profiler, and a lock that
keeps a second writer out. With a model, `answers.jsonl` beside them has every exchange, for `replay`. What its owner adds while it goes on
is in `hints.jsonl` and `inbox/`. `alive` and `ended.json` tell readers elsewhere how it stands (`pulse`)."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from kernelsearch import codec
from kernelsearch.errors import RunBusy, UsageError
from kernelsearch.model import Environment, Node, RewardProfile, RunSpec, Task
from kernelsearch.store import pulse
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.files import new_folder, put
from kernelsearch.store.journal import Journal
from kernelsearch.store.reports import FOLDER, Reports

SUITE = "suite.json"  # in the folder of a suite, which holds the folders of its runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was fixed before the first attempt: enough to resume the run or to make it again."""

    format: int = 1
    version: str  # of kernelsearch
    started: str  # UTC, ISO 8601
    spec: RunSpec
    task: Task
    environment: Environment
    rewards: RewardProfile | None = None  # the weights themselves: a file of that name may change. None in runs of 0.2


class RunFolder:
    """One run on disk. `create` and `open_for_writing` hold the lock until `close`; `open` only reads, also beside a writer."""

    def __init__(self, path: Path, header: Header, lock: TextIO | None) -> None:
        self.path = path
        self.header = header
        self.journal = Journal(path / "journal.jsonl", Blobs(path / "blobs"))
        self.reports = Reports(path / FOLDER)
        self._lock = lock
        self.earlier = pulse.ended(path)  # why it had ended, until now
        self._beat = None if lock is None else pulse.begin(path)

    @classmethod
    def create(cls, path: Path, header: Header) -> RunFolder:
        """A new run. Raises `UsageError` when there is something at `path` already."""
        new_folder(path, "kernelsearch resume")
        lock = take_lock(path)
        _write_header(path, header)
        return cls(path, header, lock)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run, for reading."""
        return cls(path, _read_header(path), None)

    @classmethod
    def open_for_writing(cls, path: Path) -> RunFolder:
        """An existing run, to go on with. Raises `RunBusy` when another process is writing it."""
        header = _read_header(path)
        return cls(path, header, take_lock(path))

    @property
    def spec(self) -> RunSpec:
        return self.header.spec

    @property
    def task(self) -> Task:
        return self.header.task

    @property
    def environment(self) -> Environment:
        return self.header.environment

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.journal.nodes)

    @property
    def damaged(self) -> str | None:
        """What is wrong with the journal, if anything is."""
        return None if self.journal.damage is None else str(self.journal.damage)

    def end(self, reason: str, *, failed: bool = False) -> None:
        """Say in the folder why the run is over, before it is closed. A run that is gone on with takes that back."""
        pulse.end(self.path, reason, failed=failed)

    def close(self) -> None:
        """Flush the journal and let go of the lock."""
        if self._beat is not None:
            self._beat.stop()
            self._beat = None
        self.journal.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def take_lock(path: Path) -> TextIO:
    """Keep other writers out of the folder `path` until what is returned is closed. Raises `RunBusy` when one is there already."""
    handle = (path / ".lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.close()
        raise RunBusy(f"another process is writing {path}; wait for it, or follow it with `kernelsearch watch {path}`") from error
    return handle


def _write_header(path: Path, header: Header) -> None:
    put(path / "run.json", codec.dump_json(header) + "\n")


def _read_header(path: Path) -> Header:
    file = path / "run.json"
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(_no_run(path)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not what was written; copy the run folder again, or start a new run") from error
    try:
        return codec.load_json(Header, text)
    except UsageError as error:
        raise UsageError(f"{file}: {error}; copy the run folder again, or start a new run") from error


def _no_run(path: Path) -> str:
    """Why `path` is no run; of a suite, where its runs are."""
    if not (path / SUITE).is_file():
        return f"{path} is not a run folder: it has no run.json"
    runs = sorted(file.parent for file in path.glob("*/run.json"))
    where = f"name one of its runs, such as {runs[0]}" if runs else "no search of it has begun"
    return f"{path} is the folder of a suite and not of one run; {where}"
