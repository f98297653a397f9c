"""Other labs on the same GPU: runs, suites and workers of this machine share it by locks, so their boxes disturb nobody's times.

A box is known by its command, which names the lock that it waits for. A process could call itself so and not wait; what a candidate
leaves behind ends with the walls around it, and a stranger's processes have no reason to.
"""

from __future__ import annotations

from pathlib import Path

from kernelsearch import paths


def lock(uuid: str, what: str) -> Path:
    """The file by which all labs of this machine take turns on the GPU called `uuid`."""
    return paths.scratch_root() / f"kernelsearch-{uuid}.{what}"


def takes_turns(pid: int, uuid: str) -> bool:
    """Whether the process is a box of some lab of this machine on that GPU."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(lock(uuid, "quiet")).encode() in command.split(b"\0")
