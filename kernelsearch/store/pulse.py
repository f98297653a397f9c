"""How a folder says that somebody works in it, and that the work has ended: for readers on other hosts, which see no process and no lock.

    alive        a count that goes on while the process that writes the folder lives, put in place so that a full disk does not kill it
    ended.json   why it ended, and nothing while it has not; taken away when somebody goes on

A reader measures by its own clock how long the count stood still, since clocks of two machines and times of files are not to be trusted.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.store.files import put

ALIVE, ENDED = "alive", "ended.json"
BEAT_S = 2.0
SILENT_S = 30.0  # many beats: a shared disk may show some of them late
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Why the work in a folder is over; with `failed` it was an error of ours or of the task, in its own words."""

    reason: str
    failed: bool = False


class Beat:
    """Counts in `folder` from a thread of its own, until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ALIVE
        self._stopped = threading.Event()
        self._count = _count(self._file) or 0
        self._write()
        threading.Thread(target=self._go_on, name="beat", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _go_on(self) -> None:
        while not self._stopped.wait(BEAT_S):
            self._write()

    def _write(self) -> None:
        self._count += 1
        with contextlib.suppress(OSError):  # the folder may be gone; that is the writer's to find out
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(handle, f"{self._count:0{_DIGITS}d}\n".encode(), 0)
            finally:
                os.close(handle)


@dataclass(slots=True)
class Listener:
    """How long a folder has been silent, as this process saw it."""

    folder: Path
    clock: Callable[[], float] = time.monotonic
    _last: int | None = None
    _since: float | None = field(default=None)

    def silent_s(self) -> float:
        """Seconds without a new beat since this was first asked."""
        count, now = _count(self.folder / ALIVE), self.clock()
        if self._since is None or count != self._last:
            self._last, self._since = count, now
        return now - self._since


def end(folder: Path, reason: str, *, failed: bool = False) -> None:
    """Say that the work in `folder` is over."""
    put(folder / ENDED, codec.dump_json(End(reason=reason, failed=failed)) + "\n")


def ended(folder: Path) -> End | None:
    """What `end` said; None while nobody did, and for a file that is not whole yet."""
    try:
        return codec.load_json(End, (folder / ENDED).read_bytes())
    except (OSError, UsageError):
        return None


def begin(folder: Path) -> Beat:
    """Work in `folder` begins or goes on."""
    (folder / ENDED).unlink(missing_ok=True)
    return Beat(folder)


def _count(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
