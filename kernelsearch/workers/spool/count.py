"""What a worker did, and how busy its device was while requests waited."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kernelsearch.workers.spool.letters import Worked


@dataclass(slots=True)
class Count:
    """What a worker did."""

    answered: int = 0
    late: int = 0  # answers that came after another worker's
    returned: int = 0
    refused: int = 0  # requests that this version or device cannot serve, and files that are none
    taken_over: int = 0  # from workers that died
    waited_s: float = 0.0  # in which there were requests without an answer
    held_s: float = 0.0  # of these, in which the device was held

    def worked(self, worker: str) -> Worked:
        return Worked(worker=worker, answered=self.answered, waited_s=self.waited_s, held_s=self.held_s)


@dataclass(slots=True)
class Busy:
    """Enters in `count`, look by look, how long there were requests and the device was held meanwhile."""

    count: Count
    held: Callable[[], float]  # how long the device was held so far
    waiting: bool = False
    at: float = field(default_factory=time.monotonic)
    held_s: float = 0.0

    def look(self, waiting: bool) -> None:
        """`waiting`: whether there are requests without an answer from now on."""
        at, held_s = time.monotonic(), self.held()
        if self.waiting:
            self.count.waited_s += at - self.at
            self.count.held_s += held_s - self.held_s
        self.waiting, self.at, self.held_s = waiting, at, held_s
