"""A process that was started: pumped by whoever waits for it, so there are no reader threads.

While nobody waits, a talkative child blocks on its full pipe. Output beyond the cap is read and thrown away.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import IO

from kernelsearch.errors import SandboxBroken

_CHUNK = 1 << 16
_LAST_CHUNKS = 32  # 2 MiB: more than a pipe holds, less than a daemon that left the group could keep us reading
_LOOK_MS = 100
_REAP_S = 30.0  # a process may sit in a driver call while a GPU drains; beyond this we call the machine broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a process ended. `returncode` is negative for a signal; `cut` says that output beyond the cap was dropped."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    cut: bool


@dataclass(slots=True)
class _Stream:
    """One output pipe: what was kept of it, at most `limit` bytes."""

    pipe: IO[bytes]
    limit: int
    kept: bytearray = field(default_factory=bytearray)
    cut: bool = False
    open: bool = True

    def read(self) -> None:
        """Take what is there now; never blocks."""
        try:
            data = os.read(self.pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return
        self.open = bool(data)
        room = self.limit - len(self.kept)
        self.kept += data[:room]
        self.cut = self.cut or len(data) > room

    def drain(self) -> None:
        """Take what a process that ended left in the pipe."""
        for _ in range(_LAST_CHUNKS):
            if self.open:
                self.read()

    @property
    def text(self) -> str:
        return self.kept.decode(errors="replace")


def _ends(pidfd: int, timeout_s: float) -> bool:
    """Whether the process behind `pidfd` ends in time."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(timeout_s * 1e3))


def _write(pipe: IO[bytes], data: memoryview) -> int:
    """How much of `data` is dealt with: what the pipe takes now, or all when nobody reads."""
    try:
        return os.write(pipe.fileno(), data)
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(data)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


class Running:
    """A started process group. One thread at a time waits for it; any may `kill` it meanwhile."""

    def __init__(self, popen: subprocess.Popen[bytes], out: IO[bytes], err: IO[bytes], output_bytes: int) -> None:
        self._popen = popen
        self._begun = time.monotonic()
        self._seconds = 0.0
        self._out = _Stream(out, output_bytes)
        self._err = _Stream(err, output_bytes)
        self._read = 0  # bytes of stdout that `read_line` gave out
        self._pidfd = os.pidfd_open(popen.pid)  # becomes readable at its end, and does not reap it
        self._followed: int | None = None
        self._finished = False
        self._lock = threading.Lock()  # held while waiting
        self._brief = threading.Lock()  # held only around what must not meet the reaping or the closing of descriptors
        if popen.stdin is not None:
            os.set_blocking(popen.stdin.fileno(), False)
        for stream in (self._out, self._err):
            os.set_blocking(stream.pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Of the leader, which is the number of the group too."""
        return self._popen.pid

    def follow(self, pid: int) -> None:
        """Count `pid` too as part of it: `wait` and `kill` return when that process is gone as well."""
        with contextlib.suppress(ProcessLookupError):  # gone already
            self._followed = os.pidfd_open(pid)

    def send(self, data: bytes) -> None:
        """Write `data` to its standard input and close it; waits for a reader of more than a pipe holds (64 KiB).

        A process that has ended already is no error here.
        """
        pipe = self._popen.stdin
        if pipe is None:
            return
        left = memoryview(data)
        while left:
            with self._brief:
                if self._finished or pipe.closed or _ends(self._pidfd, 0.0):
                    break
                left = left[_write(pipe, left) :]
                poller = select.poll()
                poller.register(pipe, select.POLLOUT)
            if left:
                poller.poll(_LOOK_MS)  # not longer: it may be killed meanwhile, and a daemon of its keep the pipe
        with self._brief:
            _close(pipe)

    def read_line(self, timeout_s: float) -> str | None:
        """The next line of its standard output, without the newline; None when there is none in time or it ended."""
        with self._lock:
            if not self._finished:
                self._pump(time.monotonic() + timeout_s, until_line=True)
            end = self._line_end()
            if end < 0:
                return None
            line = self._out.kept[self._read : end].decode(errors="replace")
            self._read = end + 1
            return line

    def wait(self, timeout_s: float) -> Finished:
        """Its end, by itself or by SIGKILL to the group after `timeout_s` seconds. Raises `SandboxBroken` when it survives that."""
        ended = False
        with self._lock:
            try:
                ended = self._finished or self._pump(time.monotonic() + timeout_s)
            finally:  # on Ctrl-C too
                self._finish()
        return Finished(
            returncode=self._popen.returncode,
            stdout=self._out.text,
            stderr=self._err.text,
            seconds=self._seconds,
            timed_out=not ended,
            cut=self._out.cut or self._err.cut,
        )

    def interrupt(self) -> None:
        """SIGINT to the leader alone, which may tidy up before it ends. Harmless when it has ended already."""
        with self._brief:
            if self._popen.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(self._popen.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to the whole group, and its remains taken away. Harmless when it has ended already."""
        self._signal()  # wakes the thread that waits, which then gives up the lock
        with self._lock:
            self._finish()

    def _signal(self) -> None:
        with self._brief:
            if self._popen.returncode is None:  # not reaped, so the number is still its own
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._popen.pid, signal.SIGKILL)

    def _finish(self) -> None:
        """Kill what is left of the group, keep the last output, reap, close. Idempotent; the lock is held."""
        if self._finished:
            return
        self._finished = True
        self._signal()
        try:
            for pidfd in self._pidfds:
                if not _ends(pidfd, _REAP_S):
                    raise SandboxBroken(f"process {self._popen.pid} survived SIGKILL for {_REAP_S:.0f} s: stuck in a driver?")
            for stream in (self._out, self._err):
                stream.drain()
            with self._brief:
                self._popen.wait()
        finally:
            self._seconds = time.monotonic() - self._begun
            with self._brief:
                for pidfd in self._pidfds:
                    os.close(pidfd)
                for pipe in (self._popen.stdin, self._out.pipe, self._err.pipe):
                    _close(pipe)

    @property
    def _pidfds(self) -> list[int]:
        return [self._pidfd] if self._followed is None else [self._pidfd, self._followed]

    def _line_end(self) -> int:
        return self._out.kept.find(b"\n", self._read)

    def _pump(self, deadline: float, *, until_line: bool = False) -> bool:
        """Read both pipes until the leader has ended (True), or the deadline or, if asked for, a line (False).

        No line will come where output was dropped.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._pidfd, selectors.EVENT_READ)
            for stream in (self._out, self._err):
                if stream.open:
                    selector.register(stream.pipe, selectors.EVENT_READ, stream)
            while not (until_line and (self._line_end() >= 0 or self._out.cut)):
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                for key, _ in ready:
                    if key.data is None:
                        self._out.drain()
                        self._err.drain()
                        return True
                    key.data.read()
                    if not key.data.open:
                        selector.unregister(key.fileobj)
                if not ready or time.monotonic() > deadline:  # the second: a flood of output must not outrun the deadline
                    return False
        return False
