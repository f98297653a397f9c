"""What lies in a spool: what waits, who is at what, and what is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernelsearch.workers.spool.claims import Claims, Pulse, introduction, noted, stranger, workers
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Worked

_LOOKS = 6  # two beats and a half apart in all
_BEATS = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeen:
    """A worker that has introduced itself. `state`: alive, or silent while we looked, or of another version."""

    name: str
    state: str
    device: str = ""
    claimed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Requests by what became of them. `late` answers came after another and were not used; `failures` are what workers told of."""

    waiting: int
    claimed: int
    answered: int
    late: int
    aside: tuple[str, ...]
    workers: tuple[WorkerSeen, ...]
    failures: tuple[str, ...]
    worked: tuple[Worked, ...] = ()  # by everyone who ever served it


def look(path: Path, sleep: Callable[[float], None] = time.sleep) -> Status:
    """Look at the spool at `path`, long enough to see whether its workers are alive. It changes nothing."""
    folder = Folder(path, make=False)
    pulse = Pulse(folder)
    claims = Claims(folder, "", pulse)
    names = workers(folder)
    served = {name: introduction(folder, name) for name in names}
    longest = max((known.beat_s for known in served.values() if known is not None), default=0.0)
    for _ in range(_LOOKS if names else 0):
        if len([name for name in names if pulse.beating(name)]) == len(names):  # each is looked at
            break
        sleep(longest * _BEATS / _LOOKS)
    answered, claimed = folder.known("results"), claims.all()
    open_requests = folder.known("requests") - answered
    holders = {name: claim.worker for name in open_requests if (claim := claims.read(name, claimed.get(name, 0))) and not claim.over}
    return Status(
        waiting=len(open_requests) - len(holders),
        claimed=len(holders),
        answered=len(answered),
        late=len(folder.paths("late")),
        aside=tuple(sorted(file.name for file in folder.paths("aside"))),
        workers=tuple(
            WorkerSeen(
                name=name,
                state=stranger(folder, name) or ("alive" if pulse.beating(name) else "silent"),
                device="" if (known := served[name]) is None else known.environment.device,
                claimed=list(holders.values()).count(name),
            )
            for name in names
        ),
        failures=tuple(failure for name in sorted(open_requests) for failure in claims.failures(name, claimed.get(name, 0))),
        worked=tuple(noted(folder)),
    )
