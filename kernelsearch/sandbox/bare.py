"""A box without walls, for `--unsafe` alone: time-outs, limits, a clean environment, and the end of the process group.

It does not hide files or the network, and a process that starts its own session outlives it. There is no limit on processes: the
kernel counts all that a user runs.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import process
from kernelsearch.sandbox.base import Box, BoxResult, SandboxLevel
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

    def __init__(self, running: process.Running, private: tempfile.TemporaryDirectory[str]) -> None:
        self._running = running
        self._private = private

    def send(self, data: bytes) -> None:
        self._running.send(data)

    def read_line(self, timeout_s: float) -> str | None:
        return self._running.read_line(timeout_s)

    def wait(self, timeout_s: float) -> BoxResult:
        done = self._running.wait(timeout_s)
        self._private.cleanup()
        return BoxResult(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr, seconds=done.seconds, timed_out=done.timed_out)

    def kill(self) -> None:
        self._running.kill()
        self._private.cleanup()


def _start(box: Box, *, stdin: bool) -> BareLive:
    private = tempfile.TemporaryDirectory(prefix="bare-", ignore_cleanup_errors=True)
    running = process.start(
        [*limited(box.limits, count_processes=False), *box.command],
        env={**box_policy().environment, "HOME": private.name, "TMPDIR": private.name, **box.env},
        cwd=box.cwd or Path(private.name),
        output_bytes=box.limits.output_bytes,
        stdin=stdin,
    )
    return BareLive(running, private)
