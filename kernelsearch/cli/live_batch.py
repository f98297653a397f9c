"""The live view of a suite on a terminal: what each device does, what is queued, what models take, and the best so far by task.

What is not a row of the tables scrolls by above them. Tasks that do not fit on the screen are counted; the table at the end has all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from kernelsearch.cli import batch_views, scoreboard, tables
from kernelsearch.model import Row
from kernelsearch.report import words
from kernelsearch.search import Event, Warned
from kernelsearch.suite import Job, Problem, SuiteFolder
from kernelsearch.suite.board import BROKEN_OFF, DONE, FAILED, RUNNING, Board, Cell, at

_STYLES = {DONE: "green", FAILED: "red", RUNNING: "", BROKEN_OFF: "yellow"}
_BESIDE = 10  # lines that are not tasks: heading, rules, devices at least


class LiveBatchView:
    """What was said scrolls, the board stays."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._board: Board | None = None
        self._home: SuiteFolder | None = None
        self._since = time.monotonic()
        self._live = Live(get_renderable=self._screen, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveBatchView:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def refused(self, problem: Problem) -> None:
        self._console.print(Text(words.clean(batch_views.not_run(problem)), "yellow"), soft_wrap=True)

    def start(self, home: SuiteFolder, board: Board) -> None:
        self._home, self._board = home, board
        self._console.print(Text(words.clean(batch_views.opening(home, board))), soft_wrap=True)

    def began(self, job: Job, place: str) -> None:
        return None

    def watch(self, job: Job, event: Event) -> None:
        for text in batch_views.heard(job, event):
            if isinstance(event, Warned) or text.startswith("warning"):
                self._console.print(Text(words.clean(text), "yellow"))

    def told(self, row: Row, report: str) -> None:
        self._console.print(Text(tables.bench_line(row, report), "red" if row.failure else ""), soft_wrap=True)

    def missed(self, job: Job, why: str) -> None:
        self._console.print(Text(words.clean(f"{job.label}: not done: {words.first_line(why, 300)}"), "yellow"))

    def note(self, text: str) -> None:
        self._console.print(Text(words.clean(text), "bold yellow"))

    def finish(self, home: SuiteFolder, board: Board, ended: str, written: tuple[Path, ...]) -> None:
        self._live.stop()
        batch_views.show(home, board, ended, written)

    def _screen(self) -> RenderableType:
        if self._board is None:
            return Text("")
        return screen(self._board, time.monotonic() - self._since, self._console.height, self._console.width)


def screen(board: Board, seconds: float, height: int, width: int) -> RenderableType:
    """The whole of what stays: it fits into `height` lines of `width` columns."""
    running = board.running()
    parts: list[RenderableType] = [Rule(style="bright_black"), _progress(board, seconds, width), _devices(running)]
    room = max(3, height - _BESIDE - len(running))
    shown, left = _shown(list(board.cells.values()), room)
    parts += [Rule(style="bright_black"), _tasks(board, shown, width)]
    if left:
        parts.append(Text(f"and {left} more", "bright_black"))
    return Group(*parts)


def _progress(board: Board, seconds: float, width: int) -> RenderableType:
    """Done and queued, money, and how long a model takes to answer."""
    over = sum(cell.row is not None for cell in board.cells.values())
    grid = Table.grid(padding=(0, 2))
    latency = "" if board.latency_s is None else f"a model answers in {words.duration(board.latency_s)}"
    texts = [scoreboard.counts(board), words.duration(seconds), words.money(board.usd), latency]
    texts = [text for text in texts if text]
    room = width - sum(len(text) + 2 for text in texts)
    grid.add_row(ProgressBar(total=max(1, len(board.cells)), completed=over, width=max(4, min(24, room))), *map(Text, texts))
    return grid


def _devices(running: Sequence[Cell]) -> RenderableType:
    """What each device is at."""
    grid = Table.grid(padding=(0, 2))
    for _ in range(4):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    for cell in running:
        parts = (cell.device or "…", cell.job.label, words.ratio(cell.speedup), at(cell))
        grid.add_row(*(Text(words.clean(text), style) for text, style in zip(parts, ("bold", "", "bold green", ""), strict=True)))
    return grid if running else Text("no search is under way", "bright_black")


def _shown(cells: Sequence[Cell], room: int) -> tuple[list[Cell], int]:
    """Those of most interest: what failed or is done last, and what runs; in their order."""
    begun = [cell for cell in cells if cell.state in _STYLES]
    if len(begun) <= room:
        return begun, 0
    running = [cell for cell in begun if cell.state == RUNNING][:room]
    others = [cell for cell in begun if cell.state != RUNNING][-(room - len(running)) :] if room > len(running) else []
    kept = {cell.job.key for cell in (*running, *others)}
    return [cell for cell in begun if cell.job.key in kept], len(begun) - len(kept)


def _tasks(board: Board, shown: Sequence[Cell], width: int) -> RenderableType:
    grid = scoreboard.tasks(board, shown).fitted(width)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, head in enumerate(grid.heads):
        texts = (*head.split("\n"), *(line[place] for line in grid.rows))
        last = place == len(grid.heads) - 1  # the one that gives way on a narrow screen
        table.add_column(
            head,
            justify="right" if place in grid.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if last else max(map(len, texts)),
        )
    for cell, line in zip(shown, grid.rows, strict=True):
        table.add_row(*(Text(words.clean(text), _STYLES[cell.state]) for text in line))
    return table
