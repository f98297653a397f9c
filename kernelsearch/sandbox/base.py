"""Where untrusted code runs: a box with what it may see, spend and keep.

The only package that touches top-level `sandbox/`. `bubblewrap` is the real box; `bare` has time-outs and limits but no walls, and
is used only when the user says `--unsafe`.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

CHANNEL_VARIABLE = "KS_CHANNEL"  # where a box with a channel finds the number of its descriptor


class SandboxLevel(enum.Enum):
    """How strong the walls are; recorded with every evaluation."""

    NONE = 0  # limits and time-outs only
    BUBBLEWRAP = 2  # namespaces, read-only system, no network, no capabilities

    @property
    def text(self) -> str:
        return {0: "none (unsafe)", 2: "bubblewrap (level 2 of 3)"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`seconds` is wall clock for the whole group. No address-space limit: CUDA reserves far more than it uses.

    `group_bytes` is the memory of all its processes and of its private file systems together, where control groups can be made.
    """

    seconds: float = 30.0
    file_bytes: int = 1 << 30
    open_files: int = 1024
    processes: int = 256
    output_bytes: int = 256 * 1024  # stdout and stderr are cut after this much each
    memory_bytes: int | None = None  # the address space of each process
    group_bytes: int | None = 16 << 30
    private_bytes: int | None = None  # the size of /tmp and of /dev/shm; the policy's when None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A command and its world. Paths appear inside under the same names; everything not listed is absent."""

    command: tuple[str, ...]
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()  # device nodes, such as /dev/nvidia0
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None  # a writable path; the private /tmp when None
    channel: bool = False  # it inherits one end of a SOCK_SEQPACKET pair, its number in KS_CHANNEL; see `LiveBox.channel`
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxResult:
    """How the command ended. `returncode` is negative for a signal; stdout and stderr are opaque text, never a verdict."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    out_of_memory: bool = False  # the kernel killed something in it for want of memory; known only with a control group


class LiveBox(Protocol):
    """A started box that waits on its standard input: kept warm with libraries imported, used once."""

    @property
    def channel(self) -> socket.socket:
        """Our end of its channel, closed with the box. An empty message is its end. Raises `ValueError` for a box without one."""
        ...

    def send(self, data: bytes) -> None:
        """Write to its standard input and close it."""
        ...

    def read_line(self, timeout_s: float) -> str | None:
        """One line of its standard output (a sign of readiness), or None when none comes in time."""
        ...

    def wait(self, timeout_s: float) -> BoxResult:
        """The end of it; on time-out the whole group is killed and `timed_out` set."""
        ...

    def kill(self) -> None: ...


class Sandbox(Protocol):
    """Implemented by `bubblewrap` and `bare`. Raises `SandboxBroken` when the box itself cannot be made."""

    @property
    def level(self) -> SandboxLevel: ...

    @property
    def walls(self) -> Mapping[str, str]:
        """What this machine really lets it have, by the name of each wall, to be recorded with results."""
        ...

    def run(self, box: Box) -> BoxResult: ...

    def start(self, box: Box) -> LiveBox: ...
