"""One request's work: progress told on the way, and an end to it when it is cancelled. Runs in a thread of its own.

The work itself is a command of ours in a child process. Commands that judge run one at a time, so that they do not disturb each
other's times; what waits for its turn says so.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kernelsearch import process
from kernelsearch.errors import SandboxBroken, ToolMissing, UsageError

_LONGEST_S = 3600.0  # between two lines of a command: beyond that it hangs
_GRACE_S = 1.5  # to remove scratch folders, which are memory
_LOOK_S = 0.2
_OUTPUT = 1 << 26
_PROGRAM = "from kernelsearch.cli import main; main()"

Told = Callable[[float, float | None, str], None]
Heard = Callable[[Mapping[str, Any]], None]


class Cancelled(Exception):
    """Whoever asked for it does not want it any more."""


def our_command(args: Sequence[str]) -> list[str]:
    """`kernelsearch ARGS`, by the interpreter that runs us. -P: modules are not looked for in the folder that an agent writes to."""
    return [sys.executable, "-P", "-c", _PROGRAM, *args]


class Work:
    """`tell(done, total, text)` reports progress; `done` must grow. All but `cancel` is called from the thread that does the work."""

    _turn = threading.Lock()

    def __init__(self, told: Told) -> None:
        self._told = told
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._running: process.Running | None = None

    def cancel(self) -> None:
        """From any thread. Returns at once."""
        self._cancelled.set()
        with self._lock:
            running = self._running
        if running is not None:
            running.interrupt()
            later = threading.Timer(_GRACE_S, running.kill)
            later.daemon = True
            later.start()

    def tell(self, done: float, total: float | None, text: str) -> None:
        """Raises `Cancelled` when there is nobody to tell."""
        self._check()
        self._told(done, total, text)

    def sleep(self, seconds: float) -> None:
        """Raises `Cancelled` as soon as it is."""
        self._cancelled.wait(seconds)
        self._check()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other request judges a kernel."""
        if not self._turn.acquire(blocking=False):
            self.tell(0.0, None, "waiting for another evaluation to end")
            while not self._turn.acquire(timeout=_LOOK_S):
                self._check()
        try:
            yield
        finally:
            self._turn.release()

    def command(self, args: Sequence[str], *, cwd: Path, heard: Heard | None = None, result: Path | None = None) -> process.Finished:
        """Run a command of ours to its end. Each line of its output that is a JSON object goes to `heard`.

        Exit codes 0 and 1 are outcomes, and others where it wrote the file `result`. Raises `UsageError` for 2, `ToolMissing` for 3, each
        with the command's own sentence.
        """
        self._check()
        running = process.start(our_command(args), cwd=cwd, output_bytes=_OUTPUT)
        with self._lock:
            self._running = running
        try:
            self._check()  # it may have been cancelled before there was a process to end
            while (line := running.read_line(_LONGEST_S)) is not None:
                self._check()
                if heard is not None and line.startswith("{"):
                    heard(json.loads(line))
        finally:
            ended = running.wait(_GRACE_S)
            with self._lock:
                self._running = None
        self._check()
        return ended if result is not None and result.exists() else _outcome(ended)

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled


def _outcome(ended: process.Finished) -> process.Finished:
    if ended.returncode in (0, 1) and not ended.timed_out:
        return ended
    if ended.returncode == 2:
        raise UsageError(complaint(ended.stderr) or "the command refused its arguments")
    if ended.returncode == 3:
        raise ToolMissing(complaint(ended.stderr) or "this machine lacks something; run `kernelsearch doctor`")
    how = "did not end" if ended.timed_out else f"ended with {ended.returncode}"
    raise SandboxBroken(f"the evaluating process {how}: {ended.stderr.strip()[-2000:] or 'it said nothing'}; ask again, and report it")


def complaint(stderr: str) -> str:
    """The sentence that our command line ends with, without its own name; the lines after it belong to it."""
    marks = list(re.finditer(r"^kernelsearch: ", stderr, re.MULTILINE))
    return (stderr[marks[-1].end() :] if marks else stderr).strip()[-4000:]


def notes(stderr: str) -> tuple[str, ...]:
    """What a command that did its work remarked on the way."""
    return tuple(line.strip() for line in stderr.splitlines() if line.strip())
