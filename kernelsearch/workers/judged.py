"""Which candidates were judged, and which are being judged now: so that attempts that run side by side do not do the same work."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from kernelsearch import digest, source
from kernelsearch.model import Candidate, Evaluation

_FLAGS = 32  # sets of flags whose sources are kept apart; the ones that were used last


class Judged:
    """Evaluations by digest of the candidate and of the code it was built to, and the sources of those that passed. Thread-safe."""

    def __init__(self) -> None:
        self._evaluations: dict[str, Evaluation] = {}
        self._by_code: dict[str, Evaluation] = {}
        self._sources: OrderedDict[tuple[str, ...], source.Neighbours] = OrderedDict()  # by flags: other flags are another kernel
        self._under_way: set[str] = set()
        self._declined: set[str] = set()
        self._lock = threading.Lock()

    def get(self, name: str) -> Evaluation | None:
        """The evaluation of candidate `name`; None when it was not judged yet."""
        with self._lock:
            return self._evaluations.get(name)

    def of_code(self, code: str) -> Evaluation | None:
        """The evaluation of a candidate that was built to `code`; None when there was none, or the code has no name."""
        with self._lock:
            return self._by_code.get(code) if code else None

    def near(self, candidate: Candidate, apart: float) -> tuple[str, float] | None:
        """A candidate with the same flags that passed and lies less than `apart` away in structure: its digest and the distance."""
        with self._lock:
            known = self._sources.get(candidate.flags)
            return None if known is None else known.nearest(candidate.source, apart)

    def put(self, candidate: Candidate, evaluation: Evaluation) -> None:
        """Keep an evaluation; the first one of a candidate stays."""
        name = digest.candidate(candidate)
        with self._lock:
            self._evaluations.setdefault(name, evaluation)
            if evaluation.build is not None and evaluation.build.code:
                self._by_code.setdefault(evaluation.build.code, evaluation)
            if evaluation.passed:
                known = self._sources.setdefault(candidate.flags, source.Neighbours())
                self._sources.move_to_end(candidate.flags)
                known.put(name, candidate.source)
                if len(self._sources) > _FLAGS:
                    self._sources.popitem(last=False)

    def decline(self, name: str) -> None:
        """The owner of the run does not want candidate `name` to run."""
        with self._lock:
            self._declined.add(name)

    def declined(self, name: str) -> bool:
        """Whether the owner refused it before."""
        with self._lock:
            return name in self._declined

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
