"""Follows runs and suites from outside, by what their folders show as they grow: no lock is taken, and nothing is written.

What is not whole yet waits until it is: a line without its end, a text that a slow copy has not brought. Whether the writer lives is
heard from its beat, by our own clock.
"""

from __future__ import annotations

from pathlib import Path

from kernelsearch.errors import UsageError
from kernelsearch.model import Node, Row
from kernelsearch.search import STOPPED, Ended, Event, NodeDone, Result, Started, Warned
from kernelsearch.store import pulse
from kernelsearch.store.pulse import SILENT_S, Listener
from kernelsearch.store.rundir import RunFolder
from kernelsearch.suite.board import Board
from kernelsearch.suite.folder import SuiteFolder
from kernelsearch.suite.plan import Job
from kernelsearch.suite.rows import Fold


class RunFollower:
    """`poll` gives what happened since the last time, as the events that the run itself would have told."""

    def __init__(self, path: Path) -> None:
        """Raises `UsageError` for a folder that holds no run."""
        self.home = RunFolder.open(path)
        self.over = False
        self._unread = self.home.nodes
        self._fold = Fold()
        self._begun = self._said_silent = False
        self._listener = Listener(path)

    def poll(self) -> list[Event]:
        end = pulse.ended(self.home.path)  # before the nodes: what is written before the end is then read before it
        nodes, self._unread = (*self._unread, *self.home.journal.catch_up()), ()
        events: list[Event] = [] if self._begun else [self._started()]
        self._begun = True
        events += [event for node in nodes if (event := self._done(node)) is not None]
        if end is not None:
            self.over = True
            events.append(Ended(reason=end.reason))
        elif not self._said_silent and self._listener.silent_s() > SILENT_S:
            self._said_silent = True
            events.append(Warned(text=f"no sign of life for {SILENT_S:.0f} s: the run may have been killed, and can then be resumed"))
        elif self._said_silent and self._listener.silent_s() < SILENT_S:
            self._said_silent = False
        return events

    def result(self, ended: str) -> Result | None:
        """What it has come to so far; None without a baseline."""
        journal = self.home.journal
        if journal.best is None:
            return None
        return Result(folder=self.home.path, baseline=journal.nodes[0], best=journal.best, totals=journal.totals, ended=ended)

    def _started(self) -> Started:
        return Started(task=self.home.task, environment=self.home.environment, spec=self.home.spec, folder=self.home.path)

    def _done(self, node: Node) -> NodeDone | None:
        """None for a baseline that did not pass, as a run tells nothing of one."""
        self._fold.add(node)
        best = self._fold.best
        return None if best is None else NodeDone(node=node, best=best, totals=self._fold.totals, pending=0)


class SuiteFollower:
    """`poll` brings `board` up to date."""

    def __init__(self, path: Path) -> None:
        """Raises `UsageError` for a folder that holds no suite."""
        self.home = SuiteFolder.open(path)
        self.board = Board.of(self.home.jobs, self.home.rows)
        self.ended = ""
        self.silent = False
        self._runs: dict[str, RunFollower] = {}
        self._listener = Listener(path)

    def poll(self) -> tuple[Row, ...]:
        """The rows that came since the last time."""
        end = pulse.ended(self.home.path)
        new = self.home.catch_up()
        for row in new:
            self.board.done(row)
        for job in self.home.todo:
            self._look(job)
        self.ended = "" if end is None else end.reason
        self.silent = end is None and self._listener.silent_s() > SILENT_S
        return new

    def _look(self, job: Job) -> None:
        """What the run of `job` has come to, if it has begun."""
        path = self.home.run_folder(job)
        try:
            run = self._runs.get(job.folder) or RunFollower(path)
        except UsageError:
            return  # not begun, or its header is not whole
        if job.folder not in self._runs:
            self._runs[job.folder] = run
            self.board.began(job, "")
        for event in run.poll():
            self.board.hear(job, event)
        if (end := pulse.ended(path)) is not None and (end.failed or end.reason == STOPPED):
            self.board.missed(job, end.reason)
