"""Attempts in threads of this process: waiting for a model, building and running all happen in other processes anyway.

The threads are daemons, one a request, so that a run that is stopped does not wait for a model that is still thinking; the boxes of
their candidates die with this process. `LabSite` judges here as well; a site elsewhere leaves this process the proposing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import ParamSpec, TypeVar

from kernelsearch import digest, process
from kernelsearch.evaluate import Known, evaluate, none_known, repeat
from kernelsearch.lab import Lab
from kernelsearch.measure.contest import Contest
from kernelsearch.model import Attempt, Environment, Evaluation, Hardware, Node, Outcome, Task
from kernelsearch.propose.base import Proposer
from kernelsearch.store.reports import Reports
from kernelsearch.workers.attempt import Bench, attempt
from kernelsearch.workers.base import Request, Site, Work
from kernelsearch.workers.consent import Desk
from kernelsearch.workers.judged import Judged

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_thread(function: Callable[_P, _R], *args: _P.args, **options: _P.kwargs) -> Future[_R]:
    """Call `function` in a daemon thread of its own."""
    future: Future[_R] = Future()

    def fulfil() -> None:
        try:
            future.set_result(function(*args, **options))
        except BaseException as error:  # noqa: BLE001 - the thread that waits for the future raises it again, whatever it is
            future.set_exception(error)

    threading.Thread(target=fulfil, name=function.__name__, daemon=True).start()
    return future


class LocalWorker:
    """As many attempts at a time as are asked for; the device lets one of them run kernels."""

    def __init__(self, *, task: Task, site: Site, proposer: Proposer, desk: Desk | None = None) -> None:
        self._judged = Judged()
        self._bench = Bench(task=task, site=site, proposer=proposer, judged=self._judged, desk=desk)

    def submit(self, request: Request) -> Future[Attempt]:
        return in_thread(attempt, request, self._bench)

    def remember(self, node: Node) -> None:
        if node.candidate is not None and node.evaluation is not None:
            self._judged.put(node.candidate, node.evaluation)
        elif node.candidate is not None and node.attempt.outcome is Outcome.DECLINED:
            self._judged.decline(digest.candidate(node.candidate))

    def close(self) -> None:
        """Nothing to release: attempts still under way are left to end on their own."""


def judge(work: Work, lab: Lab, known: Known, contest: Contest) -> Evaluation:
    """Judge in a lab of this process, off the CPUs that are kept for what is timed, here or on another GPU of this machine.

    `contest` is that of the run which asks."""
    process.stay_off()
    if work.trial is not None:
        return repeat(work.candidate, work.task, lab, work.trial)
    return evaluate(work.candidate, work.task, lab, work.incumbent, known=known, contest=contest)


class LabSite:
    """A lab of this process, for one run."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._contest = Contest()

    @property
    def hardware(self) -> Hardware:
        return self.lab.hardware

    @property
    def environment(self) -> Environment:
        return self.lab.environment

    @property
    def places(self) -> int:
        return 1

    @property
    def scratch(self) -> Path:
        return self.lab.scratch

    @property
    def reports(self) -> Reports | None:
        return self.lab.reports

    def begin(self, task: Task, idle: Callable[[], bool]) -> None:
        """A lab is ready when it is open."""

    def judge(self, work: Work, known: Known = none_known) -> Evaluation:
        return judge(work, self.lab, known, self._contest)

    def close(self) -> None:
        self.lab.close()
