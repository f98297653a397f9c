"""A box without walls, for `--unsafe` alone: time-outs, limits, a clean environment, and the end of the process group.

It does not hide files or the network. Only where control groups can be made are its processes counted, for the kernel's other count is
of all that a user runs, and only there does a process that starts its own session end with it.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import process
from kernelsearch.sandbox.base import Box, BoxResult, Limits, SandboxLevel
from kernelsearch.sandbox.cgroup import Group, Groups
from kernelsearch.sandbox.channel import close_end, open_channel, ours_of
from kernelsearch.sandbox.limits import limited
from kernelsearch.sandbox.policy import box_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """Implements `Sandbox`. `groups`: where control groups can be made."""

    groups: Groups = Groups()

    @property
    def level(self) -> SandboxLevel:
        return SandboxLevel.NONE

    @property
    def walls(self) -> Mapping[str, str]:
        return {
            "level": self.level.text,
            "user": "ours",
            "system calls": "not filtered",
            "memory and processes": self.groups.text(Limits()),
        }

    def run(self, box: Box) -> BoxResult:
        return self._start(box, stdin=False).wait(box.limits.seconds)

    def start(self, box: Box) -> BareLive:
        return self._start(box, stdin=True)

    def _start(self, box: Box, *, stdin: bool) -> BareLive:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as unless_started:
            private = tempfile.TemporaryDirectory(prefix="bare-", ignore_cleanup_errors=True)
            unless_started.callback(private.cleanup)
            if (channel := open_channel(box)) is not None:
                ours.callback(channel.theirs.close)
                unless_started.callback(channel.ours.close)
                box = channel.tell(box)
            if (group := self.groups.make(box.limits)) is not None:
                unless_started.callback(group.end)
            running = process.start(
                [*(group.joining if group else ()), *limited(box.limits, count_processes=False), *box.command],
                env={**box_policy().environment, "HOME": private.name, "TMPDIR": private.name, **box.env},
                cwd=box.cwd or Path(private.name),
                pass_fds=() if channel is None else (channel.theirs.fileno(),),
                output_bytes=box.limits.output_bytes,
                stdin=stdin,
            )
            unless_started.pop_all()
        return BareLive(running, private, None if channel is None else channel.ours, group)


class BareLive:
    """Implements `LiveBox`; owns the folder that stands for the private /tmp."""

    def __init__(
        self,
        running: process.Running,
        private: tempfile.TemporaryDirectory[str],
        channel: socket.socket | None,
        group: Group | None,
    ) -> None:
        self._running = running
        self._private = private
        self._channel = channel
        self._group = group

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
        return BoxResult(
            returncode=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            seconds=done.seconds,
            timed_out=done.timed_out,
            out_of_memory=self._group is not None and self._group.out_of_memory,
        )

    def kill(self) -> None:
        self._running.kill()
        self._close()

    def _close(self) -> None:
        close_end(self._channel)
        if self._group is not None:
            self._group.end()
        self._private.cleanup()
