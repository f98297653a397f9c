"""One suite under a person's eyes: signals, the view, a report a run, and the suite's own tables on disk, whatever the end."""

from __future__ import annotations

import shlex
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import kernelsearch
from kernelsearch import chosen, lab, suite, yardstick
from kernelsearch.cli import batch_views, inputs, scoreboard, session
from kernelsearch.cli.batch_views import BatchView
from kernelsearch.cli.gather import Gathered, again
from kernelsearch.device import NAMES
from kernelsearch.errors import KernelSearchError, UsageError
from kernelsearch.model import Row, RunSpec, Task
from kernelsearch.model.run import GPUS, LOCAL
from kernelsearch.report import html, suite_html, words
from kernelsearch.search import Event
from kernelsearch.store.files import put
from kernelsearch.suite import Batch, Header, Job, OnePlace, Setting, SuiteFolder
from kernelsearch.suite import plan as plans
from kernelsearch.suite.board import Board
from kernelsearch.suite.export import NAME as CSV
from kernelsearch.suite.export import to_csv
from kernelsearch.suite.rows import Beside
from kernelsearch.suite.runner import DONE
from kernelsearch.workers import sites
from kernelsearch.workers.places import Gpus, devices

MARKDOWN = "suite.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a suite is to be, beside its tasks."""

    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    shard: tuple[int, int] = (1, 1)
    task_minutes: float | None = None
    yardsticks: tuple[str, ...] = ()


def header(gathered: Gathered, wanted: Wanted) -> Header:
    """Raises `UsageError` before a folder is made: where there is no task at all, none is left, or a setting names what is not known."""
    entries, doubled = plans.distinct(gathered.entries)
    found = (*gathered.problems, *doubled)
    names = [*gathered.unread, *(problem.name for problem in found if problem.name)]
    problems = plans.concerned(found, wanted.only, wanted.skip)
    whys = "; ".join(problem.why for problem in problems)
    if not entries and not problems and gathered.unread:
        called = gathered.unread[::2]
        raise UsageError(f"--only and --skip leave no task; they are called {', '.join(called[:8])}{', …' if len(called) > 8 else ''}")
    if not entries and not any(problem.name for problem in problems):
        why = "; ".join(problem.why for problem in problems or found)
        raise UsageError(f"no task to run: {why}" if problems else f"--only and --skip leave no task; what there is cannot be read: {why}")
    for setting in wanted.settings:
        chosen.check(setting.spec)
        if (name := setting.spec.device.partition(":")[0]) not in ("auto", *NAMES):
            raise UsageError(f"unknown device {name!r}; one of auto, {', '.join(NAMES)}")
        sites.check(setting.spec)
    return Header(
        version=kernelsearch.__version__,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(["kernelsearch", *sys.argv[1:]]),
        tasks=plans.shard(plans.chosen(entries, wanted.only, wanted.skip, names, whys), *wanted.shard) if entries else (),
        problems=problems,
        seeds=wanted.seeds,
        settings=wanted.settings,
        shard=wanted.shard,
        launchers="" if gathered.launchers is None else str(gathered.launchers.resolve()),
        task_minutes=wanted.task_minutes,
        yardsticks=wanted.yardsticks,
    )


def places(gpus: str | None, jobs: int, worker: str | None) -> suite.Places:
    """One device for all searches, or those that `gpus` names ("all", or indices with commas), with `jobs` searches on each.

    Raises `UsageError` for GPUs that are not there, and where `worker` says already where candidates are judged.
    """
    if gpus is None:
        return OnePlace(jobs)
    if worker not in (None, LOCAL):
        raise UsageError(
            f"--gpus gives each search a GPU of its own, and --worker {worker} says where candidates are judged: leave one out"
        )
    return Gpus(devices(GPUS if gpus == "all" else f"{GPUS}:{gpus}", said=f"--gpus {gpus}"), at_once=jobs)


def conduct(home: SuiteFolder, view: BatchView, places: suite.Places | None = None, gathered: Gathered | None = None) -> int:
    """Run what has no row yet, and write the tables. Exit code 1 where a task failed, or is missing."""
    board, stop = Board.of(home.jobs, home.rows), threading.Event()
    conductor = _Conductor(home, view, board, gathered)
    with view, session.gentle(stop, view.note, f"go on with: kernelsearch bench --resume {home.path}"):
        view.start(home, board)
        try:
            ended = suite.run(conductor.batch(places or OnePlace(), stop))
        except (KernelSearchError, OSError) as error:
            home.end(str(error), failed=True)
            write(home, board, str(error))
            view.note(f"what was recorded is kept; go on with: kernelsearch bench --resume {home.path}")
            raise
        home.end(ended, failed=ended != DONE)
        written = write(home, board, ended)
        view.finish(home, board, ended, written)
    return 1 if ended != DONE or home.header.problems or any(row.failure for row in home.rows) else 0


def write(home: SuiteFolder, board: Board, ended: str) -> tuple[Path, ...]:
    """`suite.csv`, `suite.md` and the page `report.html` in the folder of the suite."""
    rows = home.rows
    put(home.path / CSV, to_csv(rows))
    put(home.path / MARKDOWN, scoreboard.markdown(home.header, board, suite.scores(rows), ended))
    page = (suite_html.write(home.path, rows, batch_views.gaps(home)),) if rows else ()
    return home.path / CSV, home.path / MARKDOWN, *page


class _Conductor:
    """What the runner calls, for one suite."""

    def __init__(self, home: SuiteFolder, view: BatchView, board: Board, gathered: Gathered | None) -> None:
        self._home, self._view, self._board = home, view, board
        launchers = home.header.launchers
        self._load = partial(again, launchers=Path(launchers) if launchers else None) if gathered is None else gathered.task

    def batch(self, places: suite.Places, stop: threading.Event) -> Batch:
        return Batch(
            home=self._home,
            places=places,
            load=self._load,
            watch=self._watch,
            began=self._began,
            told=self._told,
            missed=self._missed,
            stop=stop,
            device=_device,
            yardsticks=self._yardsticks,
        )

    def _began(self, job: Job, place: str) -> None:
        self._board.began(job, place)
        self._view.began(job, place)

    def _watch(self, job: Job, event: Event) -> None:
        self._board.hear(job, event)
        self._view.watch(job, event)

    def _told(self, row: Row) -> None:
        self._board.done(row)
        self._view.told(row, "" if row.failure else self._report(row))

    def _report(self, row: Row) -> str:
        try:
            return str(html.write(Path(row.folder)))
        except (KernelSearchError, OSError) as error:  # the row is there; the report can be written again
            self._view.note(f"warning: no report of {row.suite}/{row.task}: {words.first_line(str(error), 200)}")
            return ""

    def _missed(self, job: Job, why: str) -> None:
        self._board.missed(job, why)
        self._view.missed(job, why)

    def _yardsticks(self, task: Task, spec: RunSpec) -> Beside:
        """Library times, by a lab that is open for them alone: a search opens its own."""
        ways = self._home.header.yardsticks
        if not ways:
            return Beside()
        if spec.worker != LOCAL:
            return Beside(remarks=("no library times: candidates are judged elsewhere, where no library is asked",))
        why = yardstick.inapplicable(task, spec.device)
        if why is not None:
            return Beside(remarks=(why,) if why else ())
        with closing(lab.open_lab(device=spec.device, hardware=spec.hardware, metrics="none", unsafe=spec.unsafe)) as opened:
            measured = yardstick.measure(task, opened, ways)
        return Beside(yardsticks=tuple(measured.times.items()), remarks=measured.remarks)


def _device(task: Task, spec: RunSpec) -> str:
    return inputs.device_for(task, spec.device)[0] if spec.worker == LOCAL else spec.device
