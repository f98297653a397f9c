"""The clock outside the box: a small process that asks two boxes in turn for calls, and writes down when it asked and when they answered.

A process of its own, as the search's threads would hold the interpreter while an answer waits. It has no CUDA and runs nothing of a
candidate's. What it asks for is in `race`; here is how it is started, and told.

    Timekeeper.race(schedule, ours, theirs) -> the record of every pair
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from kernelsearch.device.race import Race

_LENGTH_BYTES = 8


class Timekeeper:
    """The process, from our side, on `cpu` if that is given. One race at a time; `close` ends it."""

    def __init__(self, cpu: int | None = None) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kernelsearch.device.timekeeper", str(theirs.fileno()), *([] if cpu is None else [str(cpu)])],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the search to hear
            )

    def race(self, schedule: Mapping[str, Any], ours: socket.socket, theirs: socket.socket | None) -> dict[str, Any]:
        """The record of `schedule`. Raises `OSError` when the process is gone."""
        text = json.dumps(schedule).encode()
        channels = [side.fileno() for side in (ours, theirs) if side is not None]
        socket.send_fds(self._socket, [len(text).to_bytes(_LENGTH_BYTES, "little")], channels)
        self._socket.sendall(text)
        record: dict[str, Any] = json.loads(_receive(self._socket))
        return record

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


def _receive(channel: socket.socket) -> bytes:
    return exactly(channel, int.from_bytes(exactly(channel, _LENGTH_BYTES), "little"))


def exactly(channel: socket.socket, count: int) -> bytes:
    """That many bytes of a stream. Raises `OSError` at its end."""
    data = bytearray()
    while len(data) < count:
        if not (part := channel.recv(min(1 << 20, count - len(data)))):
            raise ConnectionError("the other side is gone")
        data += part
    return bytes(data)


def _serve(channel: socket.socket) -> None:
    while True:
        length, descriptors, _, _ = socket.recv_fds(channel, _LENGTH_BYTES, 2)
        if not length:
            return
        sides = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        schedule = json.loads(exactly(channel, int.from_bytes(length, "little")))
        record = json.dumps(Race(schedule, sides[0], sides[1] if len(sides) > 1 else None).run()).encode()
        for side in sides:
            side.close()
        try:
            channel.sendall(len(record).to_bytes(_LENGTH_BYTES, "little") + record)
        except OSError:
            return  # nobody waits for it any more


if __name__ == "__main__":
    if sys.argv[2:]:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    _serve(socket.socket(fileno=int(sys.argv[1])))
