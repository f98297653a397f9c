"""The live view on a terminal: rows, footer, and no markup from kernels or models."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import runs
from kernelsearch.cli.live import LiveView, bar, best_path, tally
from kernelsearch.cli.progress import Progress
from kernelsearch.cli.views import PlainView
from kernelsearch.model import Attempt, Budget, Node, Outcome, Proposal, Totals, Usage
from kernelsearch.search import NodeDone, Result, Started, Warned


@pytest.fixture
def console():
    return Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None, highlight=False)


def started(**changes) -> Started:
    return Started(task=runs.task(), environment=runs.ENVIRONMENT, spec=replace(runs.SPEC, **changes), folder=Path("r"))


def events():
    nodes = runs.nodes()
    for node in nodes:
        best = min(nodes[: node.number + 1], key=lambda n: n.time_us or 1e9)
        yield NodeDone(node=node, best=best, totals=Totals(candidates=node.number, usage=Usage(usd=0.5)), pending=2)


def played() -> Progress:
    state = Progress(started())
    for event in events():
        state.add(event)
    return state


def text_of(console: Console, *renderables) -> str:
    for renderable in renderables:
        console.print(renderable)
    return console.file.getvalue()


def test_best_path_is_a_tree_with_what_branched_off(console):
    state = played()
    lines = text_of(console, best_path(state, state.best)).splitlines()
    assert [line.split("#")[1][0] for line in lines] == ["0", "1", "4"]
    assert "3 edits tried" in lines[0] and "96.40 modelled µs  4.28x" in lines[2]


def test_tally_counts_attempts_by_verdict(console):
    assert "3 passed   1 wrong   1 rejected   1 build failed   1 unusable" in text_of(console, tally(played()))


def test_a_bar_never_overflows(console):
    assert "12 of 7" in text_of(console, bar("candidates", 12, 7, "12 of 7"), bar("money", 0.0, 0.0, "$0.00"))


def test_rows_scroll_and_nothing_is_markup(console):
    with LiveView(console) as view:
        view.watch(started(budget=Budget(candidates=7, minutes=5, usd=1.0)))
        for event in events():
            view.watch(event)
        view.watch(Warned(text="[red]odd[/red]"))
        view.note("stopping")
    shown = console.file.getvalue()
    assert "[bold]x[/bold]" in shown  # the hostile detail of node 5, letter for letter
    assert "[red]odd[/red]" in shown
    assert "modelled: nothing below was measured" in shown
    assert "$0.50 of $1.00" in shown and "7 of 7, 2 under way" in shown


def test_on_a_narrow_terminal_the_head_wraps_between_words():
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None, highlight=False)
    with LiveView(console) as view:
        view.watch(started())
    prose = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]|\r|judging the baseline …", "", console.file.getvalue())
    assert max(map(len, prose.splitlines())) <= 60
    assert "modelled: nothing below was measured" in " ".join(prose.split())


def test_on_a_narrow_terminal_the_end_wraps_between_words_and_paths_stay_whole():
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None, highlight=False)
    path = "/".join(["a-folder-of-a-long-name"] * 5)
    with LiveView(console) as view:
        view.watch(started())
        done = list(events())
        for event in done:
            view.watch(event)
    console.file.seek(0)
    console.file.truncate()
    uncounted = replace(done[-1].totals, usage=Usage(calls=3))
    result = Result(folder=Path("r"), baseline=done[0].node, best=done[-1].best, totals=uncounted, ended="budget reached: 5 candidates")
    view.finish(result, report=f"{path}/report.html", kept=f"{path}/best.cu")
    lines = console.file.getvalue().splitlines()
    assert f"report       {path}/report.html" in lines and any(f"{path}/best.cu" in line for line in lines)
    assert max(len(line) for line in lines if path not in line) <= 60
    assert "3 answers of a model whose tokens are not known" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("live", [True, False])
def test_a_kernel_with_nothing_left_to_try_has_no_row_and_is_counted_at_the_end(console, live: bool, capsys):
    with LiveView(console) if live else PlainView() as view:
        view.watch(started())
        done = list(events())
        spent = Attempt(proposal=Proposal(ticket=90, parent=1, seed=0), outcome=Outcome.EXHAUSTED, detail="all tried")
        more = replace(done[-1], node=Node(number=len(done), attempt=spent))
        for event in [*done, more]:
            view.watch(event)
    result = Result(folder=Path("r"), baseline=done[0].node, best=done[-1].best, totals=done[-1].totals, ended="budget")
    view.finish(result, report="r/report.html", kept=None)
    shown = console.file.getvalue() if live else capsys.readouterr().out
    assert "used up" in shown and "1 kernel: nothing was left to try" in shown
    assert "all tried" not in shown and not re.search(r"^ *\d+ +1 +no edit", shown, re.MULTILINE)
