"""One lab that judges what it is sent: the program of a seat on this machine, and what an actor of a cluster holds.

    python -m kernelsearch.workers.crew.seat FD

The lab of each GPU has a process of its own, so that verifying for one does not hold the interpreter for another, and a process that is
broken is replaced without touching the others. Requests come as packed letters, as they would through a spool. A candidate's failure and a
request that cannot be used are answers; whatever else is raised ends the seat, which is then started again.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from kernelsearch import codec, guard, process
from kernelsearch.device.timekeeper import exactly
from kernelsearch.errors import KernelSearchError, UsageError
from kernelsearch.lab import build_cache, open_lab, open_toolchain
from kernelsearch.model import Hardware
from kernelsearch.toolchain.cache import BuildCache
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.letters import Answer, Served, Wanted, pack, unpack
from kernelsearch.workers.spool.station import LabStation

READY, ANSWER, BROKEN, REQUEST = b"R", b"A", b"B", b"Q"
_HEAD = struct.Struct("<cQQQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The lab that a seat is to open, and by what name results call it."""

    name: str
    device: str = "auto"
    hardware: str = ""
    unsafe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Why a seat ends: the class of what was raised, and its words."""

    error: str
    why: str


class Judging(Protocol):
    """What answers packed requests."""

    def served(self) -> Served:
        """What it says of itself."""
        ...

    def answer(self, data: bytes) -> bytes:
        """The packed answer to a packed request. Raises `UsageError` for what is the request's fault. Thread-safe."""
        ...

    def close(self) -> None: ...


class Seat:
    """A lab. See `Judging`. Raises what `open_lab` does."""

    def __init__(self, opening: Opening) -> None:
        self._name = opening.name
        self._lab = open_lab(device=opening.device, hardware=opening.hardware, metrics="none", unsafe=opening.unsafe)
        self._station = LabStation(self._lab)

    def served(self) -> Served:
        station = self._station
        return Served(worker=self._name, environment=station.environment, hardware=station.hardware, lease_s=0.0, beat_s=0.0)

    def answer(self, data: bytes) -> bytes:
        evaluation = self._station.judge(unpack(Wanted, data))
        there = replace(evaluation.environment, facts={**evaluation.environment.facts, "worker": self._name})
        evaluation = replace(evaluation, environment=there)
        report = None if evaluation.profile is None else self._station.report(evaluation.profile.report)
        encoded = "" if report is None else base64.b64encode(report).decode()
        return pack(Answer(request="", worker=self._name, evaluation=evaluation, hardware=self._station.hardware, report=encoded))

    def close(self) -> None:
        self._lab.close()


def answer(seat: Judging, data: bytes) -> bytes:
    """As `Judging.answer`; a request that cannot be used has that for its answer, as no other seat could do better."""
    try:
        return seat.answer(data)
    except UsageError as error:
        failure = str(error) or "no reason was given"
        return pack(Answer(request="", worker=seat.served().worker, failure=failure, error=type(error).__name__))


def built(data: bytes, device: str, hardware: Hardware, *, unsafe: bool) -> bytes:
    """The candidate of a packed request, compiled here for a lab elsewhere, as a bundle for that one's cache; empty where it cannot be.

    What the guard refuses by its source is not compiled. That lab says so itself, as it looks at every candidate from the start.
    """
    try:
        wanted = unpack(Wanted, data)
        if any(finding.forbidden for finding in guard.check(wanted.candidate, wanted.task)):
            return b""
        with tempfile.TemporaryDirectory() as folder:
            open_toolchain(device, hardware, cache=Path(folder), unsafe=unsafe).build(wanted.candidate, wanted.task)
            return BuildCache(Path(folder)).bundle()
    except (KernelSearchError, OSError):
        return b""  # no compiler on that machine, or another version of ours: the lab has its own


def take_in(bundle: bytes) -> None:
    """Keep what was `built` elsewhere."""
    if bundle:
        BuildCache(build_cache()).take_in(bundle)


def broken(error: BaseException) -> Broken:
    """What is told of an exception."""
    return Broken(error=type(error).__name__, why=str(error) or type(error).__name__)


def send(channel: socket.socket, kind: bytes, turn: int, number: int, data: bytes) -> None:
    channel.sendall(_HEAD.pack(kind, turn, number, len(data)) + data)


def receive(channel: socket.socket) -> tuple[bytes, int, int, bytes]:
    """Kind, turn, number and content of the next message. Raises `OSError` at the end."""
    kind, turn, number, length = _HEAD.unpack(exactly(channel, _HEAD.size))
    return kind, turn, number, exactly(channel, length)


def serve(channel: socket.socket, open_seat: Callable[[Opening], Judging] = Seat) -> int:
    """Serve until the other side is gone; returns the exit code."""
    _, _, _, data = receive(channel)
    opened = in_thread(open_seat, codec.load_json(Opening, data))
    if (failure := opened.exception()) is not None:
        send(channel, BROKEN, 0, 0, codec.dump_json(broken(failure)).encode())
        return 1
    process.stay_off()  # a device may have said what of
    seat = opened.result()
    writing, down = threading.Lock(), threading.Event()

    def told(turn: int, number: int, future: Future[bytes]) -> None:
        error = future.exception()
        kind, content = (ANSWER, future.result()) if error is None else (BROKEN, codec.dump_json(broken(error)).encode())
        with writing:
            if not down.is_set():
                send(channel, kind, turn, number, content)
        if error is not None:
            down.set()
            channel.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads

    with writing:
        send(channel, READY, 0, 0, pack(seat.served()))
    try:
        while True:
            _, turn, number, request = receive(channel)
            in_thread(answer, seat, request).add_done_callback(lambda future, turn=turn, number=number: told(turn, number, future))  # type: ignore[misc]
    except OSError:
        return int(down.is_set())
    finally:
        seat.close()


if __name__ == "__main__":
    code = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.stdout.flush()
    os._exit(code)  # attempts under way are in daemon threads, and nobody waits for them
