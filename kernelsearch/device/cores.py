"""Which CPU cores the processes around a timed call have for themselves.

The work of ours around a call is partly the host's: two boxes of which one shares its core's units with a compiler differ by some hundred
µs a call, and that would look like time which a candidate did not claim. So on a machine of many CPUs one physical core for each GPU is
kept free of whatever else we start; the box that is asked, and the clock, run there by turns.

Which cores are kept is known to all our processes on the machine, whichever GPUs CUDA_VISIBLE_DEVICES shows them: each is a file that its
owners hold a shared lock on, so it is free again with their end, however they end. Labs on one GPU share its core, as they time by turns.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import paths

_LEAST_CPUS = 8  # a GPU; with fewer, the builds need them all
_TOPOLOGY = Path("/sys/devices/system/cpu")
_FILE = re.compile(r"kernelsearch-core-(\d+)-(\d+)-(.+)\.kept")
_TURN = "kernelsearch-cores.turn"


@dataclass(frozen=True, slots=True)
class Cores:
    """Numbers of CPUs: `boxes` for whichever box is asked, `clock` for the timekeeper."""

    boxes: int
    clock: int


@dataclass(slots=True)
class Kept:
    """Cores that are kept until `close`, or until this process ends."""

    cores: Cores
    _lock: int  # descriptor

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def keep(gpu: str) -> Kept | None:
    """For the GPU with that uuid, which shares them with no other GPU's; None where there are too few."""
    root, name = paths.scratch_root(), re.sub("[^A-Za-z0-9-]", "-", gpu)
    with _turn(root):
        held = dict(_held(root))
        cores = held.get(name)
        if cores is None:
            taken = [cpu for one in held.values() for cpu in (one.boxes, one.clock)]
            usable = os.sched_getaffinity(0)
            cores = among(usable, {cpu: _siblings(cpu) for cpu in usable}, taken)
        if cores is None:
            return None
        file = root / f"kernelsearch-core-{cores.boxes}-{cores.clock}-{name}.kept"
        if not file.exists():
            file.touch(mode=0o644)
        lock = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return Kept(cores, lock)


def kept() -> Collection[int]:
    """The CPUs that are kept now, by any of our processes on this machine."""
    return {cpu for _, cores in _held(paths.scratch_root()) for cpu in (cores.boxes, cores.clock)}


def among(usable: Collection[int], siblings: Mapping[int, Collection[int]], taken: Collection[int]) -> Cores | None:
    """Two CPUs of one physical core where cores have two, else two cores; counted from the last, since interrupts prefer the first.

    Those that are `taken` are other GPUs'.
    """
    if len({*usable, *taken}) < _LEAST_CPUS * (len(taken) // 2 + 1):
        return None
    cores = sorted({tuple(sorted(cpu for cpu in siblings[one] if cpu in usable)) for one in usable})
    pairs = [core for core in cores if len(core) > 1] or list(zip(sorted(usable)[::2], sorted(usable)[1::2], strict=False))
    free = [pair for pair in pairs if not set(pair) & set(taken)]
    return Cores(boxes=free[-1][0], clock=free[-1][1]) if free else None


def _held(root: Path) -> Iterator[tuple[str, Cores]]:
    """The GPUs that have cores kept for them. Files that nobody holds any more are left: they are empty and few."""
    for file in root.glob("kernelsearch-core-*.kept"):
        if (match := _FILE.fullmatch(file.name)) and _locked(file):
            yield match[3], Cores(boxes=int(match[1]), clock=int(match[2]))


def _locked(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def _turn(root: Path) -> Iterator[None]:
    """One process at a time chooses."""
    path = root / _TURN
    if not path.exists():
        path.touch(mode=0o644)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _siblings(cpu: int) -> frozenset[int]:
    """CPUs of the same physical core, this one included; itself alone where the machine does not tell."""
    try:
        text = (_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
        return frozenset(cpu for part in text.strip().split(",") for cpu in _range(part)) | {cpu}
    except (OSError, ValueError):
        return frozenset({cpu})


def _range(part: str) -> range:
    low, _, high = part.partition("-")
    return range(int(low), int(high or low) + 1)
