"""A suite on disk: `suite.json` (what was chosen), `suite.jsonl` (a row as each search is done), and the folders of its runs.

A row is appended whole, as one line of JSON. What is not whole is not there: its search is looked up in the run's own folder, which says
whether it has ended, so nothing is searched twice for the loss of a row.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.model import Row
from kernelsearch.store import pulse
from kernelsearch.store.files import new_folder, put
from kernelsearch.store.rundir import SUITE, take_lock
from kernelsearch.suite.plan import Entry, Job, Key, Problem, Setting, jobs

HEADER, ROWS = SUITE, "suite.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was fixed before the first search. `task_minutes` limits each, `yardsticks` are the ways to run a library that are timed.

    `shard`: which part of the tasks that were named, and of how many; `tasks` holds only that part.
    """

    format: int = 1
    version: str  # of kernelsearch
    started: str  # UTC, ISO 8601
    command: str = ""
    tasks: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()
    seeds: tuple[int, ...] = (0,)
    settings: tuple[Setting, ...]
    shard: tuple[int, int] = (1, 1)
    launchers: str = ""  # folder of CUDA sources that answer problems of others
    task_minutes: float | None = None
    yardsticks: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[Job, ...]:
        return jobs(self.tasks, self.seeds, self.settings)


class SuiteFolder:
    """One suite. `create` and `open_for_writing` hold a lock until `close`; `open` only reads, also beside a writer."""

    def __init__(self, path: Path, header: Header, lock: TextIO | None) -> None:
        self.path, self.header, self.jobs = path, header, header.jobs
        self.damaged = 0  # lines that are not what was written
        self._rows: dict[Key, Row] = {}
        self._whole = 0
        self._lock = lock
        self.catch_up()
        self._beat = None if lock is None else pulse.begin(path)

    @classmethod
    def create(cls, path: Path, header: Header) -> SuiteFolder:
        """A new suite. Raises `UsageError` when there is something at `path` already."""
        new_folder(path, "kernelsearch bench --resume")
        lock = take_lock(path)
        put(path / HEADER, codec.dump_json(header) + "\n")
        return cls(path, header, lock)

    @classmethod
    def open(cls, path: Path) -> SuiteFolder:
        return cls(path, read_header(path), None)

    @classmethod
    def open_for_writing(cls, path: Path) -> SuiteFolder:
        """Raises `UsageError` when another process writes it. A line that was torn off in the middle is removed."""
        header = read_header(path)
        home = cls(path, header, take_lock(path))
        if home._file.exists():
            os.truncate(home._file, home._whole)
        return home

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is done, in the order of the jobs; the last of several for one."""
        order = {job.key: place for place, job in enumerate(self.jobs)}
        return tuple(sorted(self._rows.values(), key=lambda row: (order.get(row.key, len(order)), row.key)))

    @property
    def todo(self) -> tuple[Job, ...]:
        """Jobs without a row."""
        return tuple(job for job in self.jobs if job.key not in self._rows)

    def run_folder(self, job: Job) -> Path:
        return self.path / job.folder

    def catch_up(self) -> tuple[Row, ...]:
        """Rows that were written since the last reading; a line that is not whole yet waits."""
        found = []
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._whole)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._whole += len(line)
                    try:
                        found.append(codec.load_json(Row, line))
                    except UsageError:
                        self.damaged += 1
        self._rows |= {row.key: row for row in found}
        return tuple(found)

    def append(self, row: Row) -> None:
        """Record what came of a job. Raises `UsageError` when the disk refuses; what was there is then as before."""
        line = codec.dump_json(row).encode() + b"\n"
        try:
            with self._file.open("ab", buffering=0) as file:
                rest = line
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
        except OSError as error:
            if self._file.exists():
                os.truncate(self._file, self._whole)
            remedy = f"mend that, then `kernelsearch bench --resume {self.path}`: nothing is searched twice"
            raise UsageError(f"cannot write {self._file}: {error.strerror}; {remedy}") from error
        self._whole += len(line)
        self._rows[row.key] = row

    def end(self, reason: str, *, failed: bool = False) -> None:
        """Say in the folder why nothing more happens."""
        pulse.end(self.path, reason, failed=failed)

    def close(self) -> None:
        if self._beat is not None:
            self._beat.stop()
            self._beat = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _file(self) -> Path:
        return self.path / ROWS


def is_suite(path: Path) -> bool:
    return (path / HEADER).is_file()


def read_header(path: Path) -> Header:
    """Raises `UsageError` for a folder that holds no suite."""
    file = path / HEADER
    try:
        return codec.load_json(Header, file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path} is not the folder of a suite: it has no {HEADER}") from error
    except UsageError as error:
        raise UsageError(f"{file}: {error}; copy the folder again, or start a new suite") from error
