"""The live view on a terminal (rich's only door, with `tables`): attempts scroll by above a footer with best, tree and budget.

Everything that comes from kernels or models is put on the screen as `Text`, which knows no markup.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from kernelsearch.cli import progress
from kernelsearch.cli.progress import Progress
from kernelsearch.model import Node
from kernelsearch.report import evidence, words
from kernelsearch.report import view as reports
from kernelsearch.search import Ended, Event, NodeDone, Noted, Result, Started, Warned

STYLES = {"good": "green", "wrong": "red", "broken": "yellow", "foul": "magenta", "idle": "bright_black"}
_DEEPEST = 8  # nodes of the best path shown in the footer


class LiveView:
    """Rows scroll, the footer stays."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._progress: Progress | None = None
        self._since = 0.0
        self._live = self._new_live()

    def _new_live(self) -> Live:
        return Live(get_renderable=self._footer, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def watch(self, event: Event) -> None:
        match event:
            case Started():
                self._progress, self._since = Progress(event), time.monotonic()
                self._say(*progress.head(event))
                if event.nodes:
                    self._table_head(self._progress)
            case NodeDone() if self._progress is not None:
                self._progress.add(event)
                if event.node.number == 0:
                    self._table_head(self._progress)
                elif progress.told(event.node):
                    self._row(event.node, self._progress)
            case Warned():
                self._console.print(Text(words.clean(f"warning: {event.text}"), "yellow"))
            case Noted():
                self.note(event.text)
            case Ended():
                self._live.stop()

    def note(self, text: str) -> None:
        self._console.print(Text(words.clean(text), "bold yellow"))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Without the footer, so that somebody else can write below the rows."""
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._new_live()  # one that is started again would wipe out as many lines as it had
            self._live.start()

    def finish(self, result: Result, *, report: str, kept: str | None) -> None:
        self._live.stop()
        if self._progress is not None:
            for line in ("", *progress.tail(result, self._progress, report=report, kept=kept)):
                (self._print if line.startswith(("kept ", "report ")) else self._say)(line)

    def _say(self, *lines: str) -> None:
        """Prose: wrapped between words, behind the names at the left."""
        for line in (part for text in lines for part in text.split("\n")):
            wide = max(self._console.width, 2 * progress.NAME)
            for part in textwrap.wrap(words.clean(line), wide, subsequent_indent=" " * progress.NAME, break_on_hyphens=False) or [""]:
                self._console.print(Text(part), soft_wrap=True)

    def _print(self, *lines: str) -> None:
        """Lines with paths in them, which a terminal may wrap but which stay whole when copied."""
        for line in lines:
            self._console.print(Text(words.clean(line)), soft_wrap=True)

    def _table_head(self, state: Progress) -> None:
        self._say(progress.baseline_line(state), "")
        self._console.print(
            Text(progress.columns(words.unit(state.started.environment.time_kind)), "bold"), no_wrap=True, overflow="ellipsis"
        )

    def _row(self, node: Node, state: Progress) -> None:
        is_best = state.best is not None and state.best.number == node.number
        style = "bold green" if is_best else "" if node.passed else STYLES[words.kind(node)]
        self._line(words.clean(progress.row(state.cells(node))), style)

    def _line(self, text: str, style: str) -> None:
        self._console.print(Text(text, style), no_wrap=True, overflow="ellipsis")

    def _footer(self) -> RenderableType:
        state = self._progress
        if state is None or not state.nodes or state.best is None:
            return Text("judging the baseline …", "bright_black")
        return Group(Rule(style="bright_black"), best_path(state, state.best), tally(state), *self._bars(state))

    def _bars(self, state: Progress) -> list[RenderableType]:
        limits, totals = state.started.spec.budget, state.totals
        minutes = (max(totals.seconds, time.monotonic() - self._since)) / 60
        bars: list[RenderableType] = []
        if limits.candidates is not None:
            others = f", {state.pending} under way" if state.pending else ""
            bars.append(bar("candidates", totals.candidates, limits.candidates, f"{totals.candidates} of {limits.candidates}{others}"))
        if limits.minutes is not None:
            bars.append(bar("minutes", minutes, limits.minutes, f"{minutes:.1f} of {limits.minutes:g}"))
        if limits.usd is not None:
            bars.append(bar("money", totals.usage.usd, limits.usd, f"{words.money(totals.usage.usd)} of {words.money(limits.usd)}"))
        if limits.tokens is not None:
            used = totals.usage.tokens
            bars.append(bar("tokens", used, limits.tokens, f"{used:,} of {limits.tokens:,}"))
        return bars


def best_path(state: Progress, best: Node) -> RenderableType:
    """The way to the best as a tree; what branched off it is counted."""
    path = reports.lineage(state.nodes, best.number)
    children = [0] * len(state.nodes)
    for node in state.nodes:
        if node.parent is not None:
            children[node.parent] += 1
    shown = path if len(path) <= _DEEPEST else (path[0], *path[1 - _DEEPEST :])
    root = branch = Tree(_label(shown[0], state, children), guide_style="bright_black")
    for node in shown[1:]:
        branch = branch.add(_label(node, state, children))
    return root


def _label(node: Node, state: Progress, children: list[int]) -> Text:
    text = Text(f"#{node.number} {words.first_line(words.directive(node), 40)}  ")
    text.append(f"{words.time(node.time_us)} {words.unit(state.started.environment.time_kind)}", "bold")
    text.append(f"  {evidence.speedup(node, state.baseline)}", "bold green")
    return text.append(f"  {words.count(children[node.number], 'edit')} tried", "bright_black")


def tally(state: Progress) -> Text:
    """How the attempts ended, by verdict."""
    text = Text()
    for status, kind, number in reports.counts(state.nodes):
        text.append(f"{number} {status}   ", STYLES[kind])
    return text


def bar(name: str, used: float, limit: float, text: str) -> RenderableType:
    """One line of the budget."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(f"{name:<10}"), ProgressBar(total=max(limit, 1e-9), completed=min(used, limit), width=36), Text(text))
    return grid
