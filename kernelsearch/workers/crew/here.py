"""Seats on this machine: a process for each lab, that is talked to over a socket and ends when we do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from kernelsearch import codec
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.workers.crew import seat as seats
from kernelsearch.workers.crew.base import Answered, Inbox, Lost, Ready
from kernelsearch.workers.crew.seat import Broken, Opening
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.letters import Served, unpack

_FINAL = (ToolMissing.__name__, UsageError.__name__)  # raised by a lab that is opened: the next one would say the same
_END_S = 5.0
_LAST_BYTES = 2000
_PROGRAM = ("-m", seats.__name__)


@dataclass(slots=True)
class _Life:
    """One process of a seat."""

    seat: int
    popen: subprocess.Popen[bytes]
    channel: socket.socket
    errors: IO[bytes]
    writing: threading.Lock = field(default_factory=threading.Lock)
    ready: bool = False
    told: bool = False  # that it is lost

    def end(self, timeout_s: float) -> int:
        """Its exit code; it is killed when it does not end by itself in time."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            return self.popen.wait()

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        size = self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, size - _LAST_BYTES))
        return (self.errors.read().decode(errors="replace").strip().splitlines() or [""])[-1]


class Processes(Inbox):
    """See `base.Crew`. A seat for each opening; `program` are the interpreter's arguments that start one."""

    def __init__(self, openings: Sequence[Opening], program: Sequence[str] = _PROGRAM) -> None:
        super().__init__()
        self._openings, self._program = openings, program
        self._lives: dict[int, _Life] = {}
        self._mutex = threading.Lock()  # of `told`

    @property
    def seats(self) -> int:
        return len(self._openings)

    def start(self) -> None:
        for seat in range(self.seats):
            self.renew(seat)

    def begin(self, seat: int, turn: int, number: int, data: bytes) -> None:
        in_thread(self._send, self._lives[seat], seats.REQUEST, turn, number, data)  # not here: one that is stopped reads nothing

    def renew(self, seat: int) -> None:
        self.retire(seat)
        life = self._lives[seat] = self._start(seat)
        in_thread(self._send, life, seats.REQUEST, 0, 0, codec.dump_json(self._openings[seat]).encode())
        in_thread(self._listen, life)

    def retire(self, seat: int) -> None:
        if (life := self._lives.pop(seat, None)) is not None:
            self._bury(life, 0.0)

    def close(self) -> None:
        for life in self._lives.values():
            with contextlib.suppress(OSError):  # it is gone already
                life.channel.shutdown(socket.SHUT_RDWR)
        while self._lives:
            self._bury(self._lives.popitem()[1], _END_S)

    def _start(self, seat: int) -> _Life:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the life
        with theirs:
            popen = subprocess.Popen(
                [sys.executable, *self._program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the search to hear
            )
        return _Life(seat, popen, ours, errors)

    def _bury(self, life: _Life, patience_s: float) -> None:
        self._first_word(life)  # its end is our doing, and no news
        life.end(patience_s)
        life.channel.close()
        life.errors.close()

    def _send(self, life: _Life, kind: bytes, turn: int, number: int, data: bytes) -> None:
        try:
            with life.writing:
                seats.send(life.channel, kind, turn, number, data)
        except OSError:
            return  # it is gone, as who listens to it will find out

    def _listen(self, life: _Life) -> None:
        """Pass on what a process says, to its end."""
        name, lost = self._openings[life.seat].name, None
        try:
            while lost is None:
                kind, turn, number, data = seats.receive(life.channel)
                if kind == seats.READY:
                    life.ready = True
                    self.tell(Ready(seat=life.seat, served=unpack(Served, data)))
                elif kind == seats.ANSWER:
                    self.tell(Answered(turn=turn, number=number, data=data))
                else:
                    why = codec.load_json(Broken, data)
                    lost = Lost(seat=life.seat, why=f"{name}: {why.why}", error=why.error, final=not life.ready and why.error in _FINAL)
        except (OSError, UsageError):
            pass
        if self._first_word(life):
            self.tell(lost or Lost(seat=life.seat, why=f"{name}: {self._end_of(life)}", error="DeviceLost"))

    def _first_word(self, life: _Life) -> bool:
        with self._mutex:
            first, life.told = not life.told, True
        return first

    def _end_of(self, life: _Life) -> str:
        code, last = life.end(_END_S), life.last_words()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"its process {how}{f': {last}' if last else ''}"
