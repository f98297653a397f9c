"""A box without walls, for `--unsafe` alone: time-outs, limits, a clean environment, and the end of the process group.

It does not hide files or the network, and a process that starts its own session outlives it. There is no limit on processes: the
kernel counts all that a user runs.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import process
from kernelsearch.sandbox.base import Box, BoxResult, SandboxLevel
from kernelsearch.sandbox.channel import close_end, open_channel, ours_of
from kernelsearch.sandbox.limits import limited
from kernelsearch.sandbox.policy import box_policy


@dataclass(frozen=True, slots=True)
class Bare:
    """Implements `Sandbox`."""

    @property
    def level(self) -> SandboxLevel:
        return SandboxLevel.NONE

    def run(self, box: Box) -> BoxResult:
        return _start(box, stdin=False).wait(box.limits.seconds)

    def start(self, box: Box) -> BareLive:
        return _start(box, stdin=True)


class BareLive:
    """Implements `LiveBox`; owns the folder that stands for the private /tmp."""

    def __init__(self, running: process.Running, private: tempfile.TemporaryDirectory[str], channel: socket.socket | None) -> None:
        self._running = running
        self._private = private
        self._channel = channel

    @property
    def channel(self) -> socket.socket:
        return ours_of(self._channel)

    def send(self, data: bytes) -> None:
        self._running.send(data)

    def read_line(self, timeout_s: float) -> str | None:
        return self._running.read_line(timeout_s)

    def wait(self, timeout_s: float) -> BoxResult:
        done = self._running.wait(timeout_s)
        self._close()
        return BoxResult(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr, seconds=done.seconds, timed_out=done.timed_out)

    def kill(self) -> None:
        self._running.kill()
        self._close()

    def _close(self) -> None:
        close_end(self._channel)
        self._private.cleanup()


def _start(box: Box, *, stdin: bool) -> BareLive:
    private = tempfile.TemporaryDirectory(prefix="bare-", ignore_cleanup_errors=True)
    channel = open_channel(box)
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as unless_started:
        unless_started.callback(private.cleanup)
        if channel is not None:
            ours.callback(channel.theirs.close)
            unless_started.callback(channel.ours.close)
            box = channel.tell(box)
        running = process.start(
            [*limited(box.limits, count_processes=False), *box.command],
            env={**box_policy().environment, "HOME": private.name, "TMPDIR": private.name, **box.env},
            cwd=box.cwd or Path(private.name),
            pass_fds=() if channel is None else (channel.theirs.fileno(),),
            output_bytes=box.limits.output_bytes,
            stdin=stdin,
        )
        unless_started.pop_all()
    return BareLive(running, private, None if channel is None else channel.ours)
