"""Second trials of one run, one at a time and the fastest first: what is certainly slower than a kernel that held needs none.

Candidates that are under way together began under the same incumbent, so many of them look ahead of it at once, and only the fastest can
become the best. A second trial takes many times as long as the first; on an H100 thirteen in a row took two and a half minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kernelsearch.model import Measurement

OUTRUN = "it had no second trial: a kernel that was tried again meanwhile is certainly faster"


def outrun(ours: Measurement, theirs: Measurement) -> bool:
    """Whether `ours` is certainly slower; one that was timed in pairs is not held against one that was not."""
    return (ours.interval is None) is (theirs.interval is None) and theirs.apart_from(ours)


class Contest:
    """Of one run. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Measurement] = []
        self._busy = False
        self._held: Measurement | None = None

    @contextmanager
    def turn(self, ours: Measurement) -> Iterator[bool]:
        """Wait for one's turn. Whether a second trial is worth it; `held` tells of it where it was, before the block ends."""
        worth = self._wait(ours)
        try:
            yield worth
        finally:
            if worth:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def held(self, ours: Measurement) -> None:
        """The second trial showed that it is faster than the incumbent."""
        with self._changed:
            if self._held is None or outrun(self._held, ours):
                self._held = ours

    def _wait(self, ours: Measurement) -> bool:
        with self._changed:
            self._waiting.append(ours)
            try:
                while True:
                    if self._held is not None and outrun(ours, self._held):
                        return False
                    if not self._busy and min(self._waiting, key=_order) is ours:
                        self._busy = True
                        return True
                    self._changed.wait()
            finally:
                self._waiting[:] = [other for other in self._waiting if other is not ours]
                self._changed.notify_all()


def _order(measurement: Measurement) -> float:
    """Smaller for the faster."""
    return measurement.time_us if measurement.speedup is None else 1.0 / measurement.speedup
