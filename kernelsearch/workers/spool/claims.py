"""Who works at what: claims, and the beats by which a worker that died is known.

The Nth claim on a request is a file that only one worker can create; the highest N holds. To take over is to create the next one, so an
observer that was slow in judging cannot undo a claim made meanwhile. Whether a worker lives is judged by its beat: a count that goes on.
An observer measures by its own clock for how long it saw no change, and a worker is dead after the lease that it stated itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch.errors import UsageError
from kernelsearch.store.files import put
from kernelsearch.workers.spool.folder import Folder, read
from kernelsearch.workers.spool.letters import Claim, OtherFormat, Served, Worked, pack, unpack

LEASE_S = 60.0
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CLAIM = re.compile(r"([0-9a-f]{32})\.([1-9][0-9]{0,5})")
_DIGITS = 12


@dataclass(slots=True)
class Pulse:
    """How long workers have been silent, as this process saw it."""

    folder: Folder
    clock: Callable[[], float] = time.monotonic
    _last: dict[str, tuple[bytes | None, float]] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)

    def silent_s(self, worker: str) -> float:
        """Seconds without a new beat since this was first asked of `worker`."""
        beat = _tolerant(beat_file(self.folder, worker))
        now = self.clock()
        if worker not in self._last or self._last[worker][0] != beat:
            if worker in self._last and beat is not None:
                self._changed.add(worker)
            self._last[worker] = (beat, now)
        return now - self._last[worker][1]

    def dead(self, worker: str, served: Served | None = None) -> bool:
        """Whether `worker` was silent for longer than its lease. `served` is its introduction, where that was read already."""
        known = served or introduction(self.folder, worker)
        return self.silent_s(worker) > (LEASE_S if known is None else known.lease_s)

    def beating(self, worker: str) -> bool:
        """Whether its count was seen to go on, and it is not dead."""
        return not self.dead(worker) and worker in self._changed


@dataclass(slots=True)
class Claims:
    """Claims on requests, made under the name of `worker`."""

    folder: Folder
    worker: str
    pulse: Pulse

    def all(self) -> dict[str, int]:
        """The highest claim on each request."""
        highest: dict[str, int] = {}
        for path in self.folder.paths("claims"):
            if match := _CLAIM.fullmatch(path.name):
                highest[match[1]] = max(highest.get(match[1], 0), int(match[2]))
        return highest

    def free(self, name: str, number: int) -> bool:
        """Whether a request that we are not at, and whose highest claim is `number` (0: none), may be taken.

        That is so when the claim was given back, its holder is dead, or it is a claim of ours whose answer was found to be torn.
        """
        claim = self.read(name, number) if number else None
        if claim is None:  # none, or one that is torn: that is watched for as long as a worker of which nothing is known
            return number == 0 or self.pulse.dead(f"{name}.{number}")
        return claim.over or claim.worker == self.worker or self.pulse.dead(claim.worker)

    def read(self, name: str, number: int) -> Claim | None:
        """The claim with that number; None for one that is not there or cannot be read."""
        with contextlib.suppress(UsageError):
            data = read(self._file(name, number))
            claim = None if data is None else unpack(Claim, data)
            return claim if claim is not None and _WORKER.fullmatch(claim.worker) else None
        return None

    def take(self, name: str, number: int) -> bool:
        """Make the claim after `number`; False when another worker did."""
        return self.folder.put_once(self._file(name, number + 1), pack(Claim(worker=self.worker)))

    def give_back(self, name: str, number: int, failure: str = "") -> None:
        """End our claim `number`, so that the request is free at once; on a full disk by removing it."""
        path = self._file(name, number)
        try:
            put(path, pack(Claim(worker=self.worker, over=True, failure=failure)))
        except OSError:
            path.unlink(missing_ok=True)

    def failures(self, name: str, number: int) -> list[str]:
        """What befell workers at this request, up to claim `number`."""
        claims = (self.read(name, i) for i in range(1, number + 1))
        return [f"{claim.worker}: {claim.failure}" for claim in claims if claim is not None and claim.failure]

    def clear(self, name: str, number: int) -> None:
        """Remove the claims on a request that has its answer."""
        for i in range(1, number + 1):
            self._file(name, i).unlink(missing_ok=True)

    def _file(self, name: str, number: int) -> Path:
        return self.folder.path / "claims" / f"{name}.{number}"


def beat_file(folder: Folder, worker: str) -> Path:
    return folder.path / "workers" / f"{worker}.beat"


def beat(folder: Folder, worker: str, count: int) -> None:
    """Write the next beat over the last, in its place: that works on a full disk too."""
    handle = os.open(beat_file(folder, worker), os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(handle, f"{count:0{_DIGITS}d}".encode(), 0)
        os.fsync(handle)
    finally:
        os.close(handle)


def introduce(folder: Folder, served: Served) -> None:
    put(folder.file("workers", served.worker), pack(served))


def note(folder: Folder, worked: Worked) -> None:
    """Write down what a worker did; that stays when it has taken its leave."""
    put(folder.file("worked", worked.worker), pack(worked))


def noted(folder: Folder) -> list[Worked]:
    """What workers did, of those that wrote it down in a way that can be read."""
    found = []
    for path in sorted(folder.paths("worked")) if (folder.path / "worked").is_dir() else ():
        data = _tolerant(path)
        with contextlib.suppress(UsageError):
            if data is not None:
                found.append(unpack(Worked, data))
    return found


def introduction(folder: Folder, worker: str) -> Served | None:
    """What a worker said of itself; None when it said nothing that can be read."""
    data = _tolerant(folder.file("workers", worker))
    with contextlib.suppress(UsageError):
        return None if data is None else unpack(Served, data)
    return None


def stranger(folder: Folder, worker: str) -> str:
    """Why a worker cannot be understood, if it is one of another version."""
    try:
        data = _tolerant(folder.file("workers", worker))
        if data is not None:
            unpack(Served, data)
    except OtherFormat as error:
        return f"the worker {worker}: {error}"
    except UsageError:
        return ""  # torn: it may be being copied
    return ""


def workers(folder: Folder) -> list[str]:
    """Names of the workers that introduced themselves and have not taken their leave."""
    named = (path.name.removesuffix(".json") for path in folder.paths("workers") if path.name.endswith(".json"))
    return sorted(name for name in named if _WORKER.fullmatch(name))


def leave(folder: Folder, worker: str) -> None:
    for path in (folder.file("workers", worker), beat_file(folder, worker)):
        path.unlink(missing_ok=True)


@contextmanager
def living(folder: Folder, served: Served) -> Iterator[None]:
    """Introduced, and beating in a thread; at the end it takes its leave."""
    ended = threading.Event()

    def beating() -> None:
        count = 1
        while not ended.wait(served.beat_s):
            count += 1
            with contextlib.suppress(OSError):  # the disk is away: others will say so, and may take over
                beat(folder, served.worker, count)

    beat(folder, served.worker, 1)
    introduce(folder, served)
    thread = threading.Thread(target=beating, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        leave(folder, served.worker)


def _tolerant(path: Path) -> bytes | None:
    try:
        return read(path)
    except UsageError:
        return None
