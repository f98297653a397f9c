"""How a suite is watched: plain lines or JSON lines. The view on a terminal is in `live_batch`; `open_view` chooses."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import click

from kernelsearch import suite
from kernelsearch.cli import health, scoreboard, tables
from kernelsearch.model import Row
from kernelsearch.model.run import LOCAL
from kernelsearch.report import words
from kernelsearch.search import Event, Started, Warned
from kernelsearch.suite import Job, Problem, SuiteFolder
from kernelsearch.suite.board import Board
from kernelsearch.suite.folder import ROWS


class BatchView(AbstractContextManager["BatchView"], Protocol):
    """Watches one suite, from the thread that runs it; `note` also from a signal handler. The board is up to date before each call."""

    def refused(self, problem: Problem) -> None:
        """What was named and cannot be run; before the start."""
        ...

    def start(self, home: SuiteFolder, board: Board) -> None: ...

    def began(self, job: Job, place: str) -> None: ...

    def watch(self, job: Job, event: Event) -> None: ...

    def told(self, row: Row, report: str) -> None: ...

    def missed(self, job: Job, why: str) -> None: ...

    def note(self, text: str) -> None: ...

    def finish(self, home: SuiteFolder, board: Board, ended: str, written: tuple[Path, ...]) -> None: ...


def open_view(*, as_json: bool) -> BatchView:
    if as_json:
        return JsonView()
    if sys.stdout.isatty():
        from kernelsearch.cli.live_batch import LiveBatchView

        return LiveBatchView()
    return PlainView()


class Quiet:
    """What views have in common: what is said beside the rows goes to standard error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def start(self, home: SuiteFolder, board: Board) -> None:
        self.note(opening(home, board))

    def began(self, job: Job, place: str) -> None:
        return None

    def watch(self, job: Job, event: Event) -> None:
        for text in heard(job, event):
            self.note(text)

    def missed(self, job: Job, why: str) -> None:
        self.note(f"{job.label}: not done: {words.first_line(why, 300)}")

    def note(self, text: str) -> None:
        click.echo(words.clean(text), err=True)


class PlainView(Quiet):
    """A line a search as it is done, and the tables at the end."""

    def refused(self, problem: Problem) -> None:
        self.note(not_run(problem))

    def told(self, row: Row, report: str) -> None:
        click.echo(tables.bench_line(row, report))

    def finish(self, home: SuiteFolder, board: Board, ended: str, written: tuple[Path, ...]) -> None:
        show(home, board, ended, written)


class JsonView(Quiet):
    """One JSON object a line: the rows as they are done, those of what cannot be read first, then one with the scores."""

    def refused(self, problem: Problem) -> None:
        self.told(Row(task=problem.name or problem.ref, suite=problem.suite, folder="", failure=problem.why), "")

    def told(self, row: Row, report: str) -> None:
        click.echo(json.dumps({**asdict(row), "report": report}))

    def finish(self, home: SuiteFolder, board: Board, ended: str, written: tuple[Path, ...]) -> None:
        click.echo(json.dumps(summary(home, board, ended)))


def summary(home: SuiteFolder, board: Board, ended: str) -> dict[str, object]:
    """Scores, and what there is no row of."""
    missing = {cell.job.label: cell.why for cell in board.cells.values() if cell.row is None}
    problems = {problem.ref: problem.why for problem in home.header.problems}
    found = [asdict(score) for score in suite.scores(home.rows)]
    return {"scores": found, "missing": missing, "not_run": problems, "ended": ended, "folder": str(home.path)}


def opening(home: SuiteFolder, board: Board) -> str:
    """What is to be run, in one line."""
    header = home.header
    ways = f" x {words.count(len(header.settings), 'setting')}" if len(header.settings) > 1 else ""
    part = "" if header.shard == (1, 1) else ", shard {} of {}".format(*header.shard)
    text = f"{words.count(len(header.tasks), 'task')} x {words.count(len(header.seeds), 'seed')}{ways}{part} in {home.path}"
    return f"{text}; {scoreboard.counts(board)}" if home.rows else text


def gaps(home: SuiteFolder) -> list[str]:
    """What there is no row of, in sentences."""
    left, every = len(home.todo), len(home.jobs)
    return [*([f"Missing here, and counted nowhere: {left} of {every} searches, not done yet."] if left else []), *unread(home)]


def unread(home: SuiteFolder) -> list[str]:
    """Lines of the folder and tasks that cannot be read."""
    damaged = f"left out as they are not what was written: {words.count(home.damaged, 'line')} of {home.path / ROWS}"
    return [*([damaged] if home.damaged else []), *map(not_run, home.header.problems)]


def heard(job: Job, event: Event) -> list[str]:
    """What is to be said of an event beside the tables."""
    match event:
        case Started():
            odd = health.remarks(event.environment, metrics=event.spec.metrics) if event.spec.worker == LOCAL else ()
            again = f", {words.count(len(event.nodes), 'node')} recorded before" if event.nodes else ""
            return [f"{job.label} on {event.environment.device}{again} …", *(f"warning: {text}" for text in odd)]
        case Warned():
            return [f"warning: {job.label}: {event.text}"]
        case _:
            return []


def show(home: SuiteFolder, board: Board, ended: str, written: tuple[Path, ...] = ()) -> None:
    """The tables of a suite as it stands."""
    click.echo()
    if board.cells:
        show_grid(scoreboard.tasks(board).fitted(tables.width()))
    found = suite.scores(home.rows)
    if found:
        click.echo()
        for grid in scoreboard.figures(found).turned(max(1, (tables.width() - 16) // 24)):
            show_grid(grid)
            click.echo()
    for text in (*(scoreboard.notes(found, board) if found else ()), *unread(home)):
        click.echo(words.clean(text))
    click.echo(f"{scoreboard.counts(board)}; {ended or 'not ended yet'}" if board.cells else "nothing was run, for the reasons above")
    if ended and home.todo:
        click.echo(f"go on with: kernelsearch bench --resume {home.path}")
    for path in written:
        click.echo(path)


def not_run(problem: Problem) -> str:
    return f"not run: {problem.ref}: {words.first_line(problem.why, 300)}"


def show_grid(grid: scoreboard.Grid) -> None:
    tables.show(grid.heads, grid.rows, right=grid.right)
