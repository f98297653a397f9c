"""A crew as the search sees it: a `Site`, whose candidates are judged by whichever seat is free."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

from kernelsearch import digest, paths
from kernelsearch.errors import UsageError
from kernelsearch.evaluate import Known, none_known
from kernelsearch.model import Environment, Evaluation, Hardware, MetricSet, Task
from kernelsearch.store.reports import FOLDER, Reports
from kernelsearch.workers.base import Work
from kernelsearch.workers.crew.base import Crew, as_error
from kernelsearch.workers.crew.dispatch import Terms
from kernelsearch.workers.crew.foreman import Foreman
from kernelsearch.workers.spool.letters import Answer, Served, Wanted, challenged, pack, plain, report_of, unpack

_LOOK_S = 0.1
_LONG_S = 60.0  # a lab opens in seconds


class CrewSite:
    """See `workers.base.Site`. `secret` and `metrics` are those of the run; `say` takes sentences for a person, from any thread."""

    def __init__(
        self, crew: Crew, terms: Terms, *, secret: str, metrics: MetricSet | None, say: Callable[[str], None], energy: bool = False
    ) -> None:
        self._secret, self._metrics, self._say, self._energy = secret, metrics, say, energy
        self._seats = crew.seats
        self._scratch = paths.new_scratch()
        self._reports = Reports(self._scratch / FOLDER)
        self._first: Served | None = None
        self.foreman = Foreman(crew, terms, say)

    @property
    def places(self) -> int:
        return self._seats

    @property
    def hardware(self) -> Hardware:
        return self._known().hardware

    @property
    def environment(self) -> Environment:
        return self._known().environment

    @property
    def scratch(self) -> Path:
        return self._scratch

    @property
    def reports(self) -> Reports:
        return self._reports

    def begin(self, task: Task, idle: Callable[[], bool]) -> None:
        """Wait for the first seat. Raises `UsageError` when told to give up, and what kept the last seat from opening its lab."""
        since, patient = time.monotonic(), True
        while not wait([self.foreman.first], timeout=_LOOK_S).done:
            if idle():
                raise UsageError("stopped before anything could be judged")
            if patient and time.monotonic() - since > _LONG_S:
                patient = False
                self._say(f"still waiting for the first of {self._seats} labs to open; others may hold what they need")
        self._first = self.foreman.first.result()

    def judge(self, work: Work, known: Known = none_known) -> Evaluation:
        """What was compiled to the same code as one that was judged for this run comes back as that one's evaluation."""
        evaluation = self._ask(work)
        if work.trial is None and evaluation.build is not None and (twin := known(evaluation.build.code)) is not None:
            return twin
        return replace(evaluation, candidate=digest.candidate(work.candidate))

    def close(self) -> None:
        self.foreman.close()
        paths.drop_scratch(self._scratch)

    def _known(self) -> Served:
        if self._first is None:
            raise ValueError("hardware and environment are known when the site has begun")
        return self._first

    def _ask(self, work: Work) -> Evaluation:
        wanted = Wanted(
            task=work.task,
            candidate=plain(work.candidate),
            incumbent=challenged(work.incumbent),
            trial=work.trial,
            metrics=self._metrics,
            secret=self._secret,
            energy=self._energy,
        )
        answer = unpack(Answer, self.foreman.submit(pack(wanted)).result())
        if answer.evaluation is None:
            raise as_error(answer.error, f"{answer.failure} (told by {answer.worker})")
        if report := report_of(answer):
            with contextlib.suppress(OSError):  # evidence for people; what was read from it is in the answer
                self._reports.put(report)
        return answer.evaluation
