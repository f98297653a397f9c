"""Resource limits of a box, set by util-linux on its way to the command: a hook between fork and exec is not thread-safe.

Where memory runs out, the kernel is told to end the box before anything else (`choom`), so that a greedy kernel does not take the
search with it.
"""

from __future__ import annotations

import resource
import shutil

from kernelsearch.errors import ToolMissing
from kernelsearch.sandbox.base import Limits

_RLIMIT_NICE = 13  # asm-generic/resource.h; Python has no name for it


def limited(limits: Limits, *, count_processes: bool) -> tuple[str, ...]:
    """The words to put before a command. `count_processes` only where the box has a user of its own: the kernel counts by user.

    A limit never rises above the one we are under ourselves. Raises `ToolMissing` when there is no util-linux.
    """
    prlimit, choom = (shutil.which(name, path="/usr/bin:/bin") for name in ("prlimit", "choom"))
    if prlimit is None or choom is None:
        raise ToolMissing("prlimit and choom are not installed; they are part of util-linux: apt-get install util-linux")
    wanted = {
        "core": (resource.RLIMIT_CORE, 0),
        "fsize": (resource.RLIMIT_FSIZE, limits.file_bytes),
        "nofile": (resource.RLIMIT_NOFILE, limits.open_files),
        "rtprio": (resource.RLIMIT_RTPRIO, 0),  # no rank above what waits for it with a clock
        "nice": (_RLIMIT_NICE, 0),
    }
    if count_processes:
        wanted["nproc"] = (resource.RLIMIT_NPROC, limits.processes)
    if limits.memory_bytes is not None:
        wanted["as"] = (resource.RLIMIT_AS, limits.memory_bytes)
    return (choom, "-n", "1000", "--", prlimit, *(f"--{name}={_within(kind, value)}" for name, (kind, value) in wanted.items()), "--")


def _within(kind: int, value: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
