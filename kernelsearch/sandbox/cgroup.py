"""The control group of a box: the kernel counts its memory and its processes as one, whoever in it forks what and as whom.

A box's first process joins before it becomes anything else, so nothing can be born outside. At the end whatever is left in the group
is killed, daemons included, and the group removed. Groups of a process that was killed itself are removed by the next that looks.
`delegation` finds out where groups may be made. Not counted: the memory of a GPU.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch.errors import SandboxBroken
from kernelsearch.sandbox.base import Limits

NO_GROUP = "rlimits only: no control group"  # how the words of `Groups.text` begin where there is none
CONTROLLERS = ("memory", "pids")
_NAME = re.compile(r"kernelsearch-(\d+)-\d+")
_WALL_PROCESSES = 2  # bubblewrap's own two, beside those that a box may have
_EMPTY_S = 30.0  # a process may sit in a driver call while a GPU drains; beyond this we call the machine broken
_LONGEST_PAUSE_S = 0.02
# 0 is whoever writes it, in any namespace of processes; the shell's echo is the shell itself, which then becomes the command.
_JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'
_turn = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Where groups are made: the parent of each controller's, the same folder in version 2. Without parents, `reason` says why."""

    version: int = 0
    parents: Mapping[str, Path] = field(default_factory=dict)
    reason: str = "none asked for"

    def make(self, limits: Limits) -> Group | None:
        """A new, empty group held to `limits`; None where none can be made. Raises `SandboxBroken` where one could be before."""
        if not self.parents:
            return None
        name = f"kernelsearch-{os.getpid()}-{next(_turn)}"
        group = Group(parent / name for parent in self.parents.values())
        try:
            for folder in group.folders:
                _make(folder)
            for controller, setting, value, optional in _settings(self.version, limits):
                path = self.parents[controller] / name / setting
                if path.exists() or not optional:
                    _write(path, value)
        except OSError as error:
            group.end()
            where = " and ".join(dict.fromkeys(map(str, self.parents.values())))
            raise SandboxBroken(f"cannot make a control group in {where}: {error.strerror}") from error
        return group

    def clean(self) -> None:
        """Remove groups of processes that are no more; what still runs in them is killed."""
        for parent in dict.fromkeys(self.parents.values()):
            for folder in parent.iterdir():
                named = _NAME.fullmatch(folder.name)
                # A process that we cannot see, in another namespace, shows as 0: then its maker may be there too.
                if named and not Path(f"/proc/{named[1]}").exists() and 0 not in pids(folder):
                    with contextlib.suppress(OSError, SandboxBroken):  # it may be removed beside us, or be stuck in a driver
                        Group([folder]).end()

    def text(self, limits: Limits) -> str:
        """What holds a box with `limits`, in words."""
        if not self.parents:
            return f"{NO_GROUP} ({self.reason})"
        memory = "no limit on memory" if limits.group_bytes is None else f"{limits.group_bytes / (1 << 30):g} GiB"
        return f"control group v{self.version}: {memory}, {limits.processes} processes"


class Group:
    """One group, as a folder in each hierarchy. Ended once; `out_of_memory` is known from then on."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(dict.fromkeys(folders))
        self.out_of_memory = False

    @property
    def joining(self) -> tuple[str, ...]:
        """The words to put before a command so that it runs in the group."""
        return ("/bin/sh", "-c", _JOIN, "sh", *(str(folder / "cgroup.procs") for folder in self.folders), "--")

    def end(self) -> None:
        """Kill what is left in it, wait until it is empty, remove it. Idempotent. Raises `SandboxBroken` for what survives SIGKILL."""
        deadline = time.monotonic() + _EMPTY_S
        for folder in self.folders:
            if folder.is_dir():
                self.out_of_memory = self.out_of_memory or _killed_for_memory(folder)
                _empty(folder, deadline)
                self.out_of_memory = self.out_of_memory or _killed_for_memory(folder)
                _take_away(folder, deadline)


def pids(folder: Path) -> set[int]:
    """The processes in a group, zombies apart; 0 for each that our namespace does not show."""
    try:
        return set(map(int, (folder / "cgroup.procs").read_text().split()))
    except OSError:  # removed meanwhile
        return set()


def _settings(version: int, limits: Limits) -> Iterator[tuple[str, str, str, bool]]:
    """Controller, file, contents, and whether the kernel may lack it, in the order of writing."""
    if limits.group_bytes is not None:
        memory = str(limits.group_bytes)
        if version == 2:
            yield "memory", "memory.max", memory, False
            yield "memory", "memory.swap.max", "0", True
        else:
            yield "memory", "memory.limit_in_bytes", memory, False
            yield "memory", "memory.memsw.limit_in_bytes", memory, True  # memory and swap together
    if version == 2:
        yield "memory", "memory.oom.group", "1", True
    yield "pids", "pids.max", str(limits.processes + _WALL_PROCESSES), False


def _killed_for_memory(folder: Path) -> bool:
    for name in ("memory.events", "memory.oom_control"):  # version 2, version 1
        with contextlib.suppress(OSError):
            counts = dict(line.split() for line in (folder / name).read_text().splitlines())
            return counts.get("oom_kill", "0") != "0"
    return False


def _empty(folder: Path, deadline: float) -> None:
    pause = 0.0005
    while left := pids(folder):
        if time.monotonic() > deadline:
            raise SandboxBroken(f"{len(left)} processes of a box survived SIGKILL for {_EMPTY_S:.0f} s: stuck in a driver?")
        with contextlib.suppress(OSError):  # removed meanwhile, or a kernel that says no: the loop sees what is left
            _kill(folder)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _kill(folder: Path) -> None:
    """SIGKILL to all in the group: at once where the kernel can (version 2 from 5.14), else one by one with no fork allowed."""
    if (folder / "cgroup.kill").exists():
        _write(folder / "cgroup.kill", "1")
        return
    if (folder / "pids.max").exists():
        _write(folder / "pids.max", "0")
    with contextlib.ExitStack() as held:
        handles = {}
        for pid in pids(folder) - {0}:
            with contextlib.suppress(OSError):  # gone already
                handles[pid] = os.pidfd_open(pid)
                held.callback(os.close, handles[pid])
        for pid in pids(folder) & set(handles):  # still there, so the handle is of the one that is there
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handles[pid], signal.SIGKILL)


def _take_away(folder: Path, deadline: float) -> None:
    """Remove an empty group. One that the kernel holds on to is left to the next that cleans."""
    while folder.is_dir():
        try:
            _remove(folder)
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(_LONGEST_PAUSE_S / 10)


def _make(folder: Path) -> None:
    folder.mkdir()


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)


def _remove(folder: Path) -> None:
    folder.rmdir()
