"""Which candidates were judged, and which are being judged now: so that attempts that run side by side do not do the same work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kernelsearch.model import Evaluation


class Judged:
    """Evaluations by digest of the candidate. Thread-safe."""

    def __init__(self) -> None:
        self._evaluations: dict[str, Evaluation] = {}
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def get(self, name: str) -> Evaluation | None:
        """The evaluation of candidate `name`; None when it was not judged yet."""
        with self._lock:
            return self._evaluations.get(name)

    def put(self, name: str, evaluation: Evaluation) -> None:
        """Keep an evaluation; the first one of a candidate stays."""
        with self._lock:
            self._evaluations.setdefault(name, evaluation)

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """While the block runs the candidate is ours to judge; False when another attempt is at it already."""
        with self._lock:
            ours = name not in self._under_way
            self._under_way.add(name)
        try:
            yield ours
        finally:
            if ours:
                with self._lock:
                    self._under_way.discard(name)
