"""`kernelsearch add RUN KERNEL`: a hand-written kernel as an attempt of a run, judged as the run judges its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.model import Node
    from kernelsearch.search import Event
    from kernelsearch.store.inbox import Inbox
    from kernelsearch.store.rundir import RunFolder

_LOOK_S = 0.3  # how often it is looked whether the run has judged it, or has ended


@click.command(name="add", short_help="Add a hand-written kernel to a run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("kernel", type=click.Path(path_type=Path))
@click.option("--parent", type=int, metavar="N", help="Attempt that it goes on from.  [default: the run's best]")
@click.option("--note", default="", help="What it does, in a line: for the report, and for models that read what was tried.")
@click.option("--flag", "flags", multiple=True, metavar="FLAG", help="Compiler flag; may be repeated.  [default: those of the parent]")
@click.option("--json", "as_json", is_flag=True, help="The attempt and its evaluation as JSON.")
def command(run: Path, kernel: Path, parent: int | None, note: str, flags: tuple[str, ...], as_json: bool) -> int:
    """Judge KERNEL, a source with the entry of the run's task, as an attempt of the run in the folder RUN, and show the verdict.

    A run that goes on in another process takes it up itself, beside its own attempts, and may go on from it. It does not count against
    --budget. Exit code 0 if it passes, 1 if it does not.
    """
    from kernelsearch import catalog
    from kernelsearch.store.inbox import Inbox, Letter
    from kernelsearch.store.rundir import RunFolder
    from kernelsearch.workers.by_hand import parent_of

    home = RunFolder.open(run)
    if parent is not None:
        parent_of(home.nodes, parent)
    letter = Letter(source=catalog.read(kernel), flags=flags or None, parent=parent, note=note)
    inbox = Inbox(run)
    name = inbox.drop(letter)
    _wait(run, inbox, name)
    home = RunFolder.open(run)
    node = _node(home, name)
    if as_json:
        from kernelsearch import codec

        speedup, evaluation = _speedup(node, home), node.evaluation
        found = None if evaluation is None else json.loads(codec.dump_json(evaluation))
        said = {"number": node.number, "parent": node.parent, "outcome": node.attempt.outcome.value, "detail": node.attempt.detail}
        click.echo(json.dumps({**said, "speedup": speedup, "evaluation": found}))
    else:
        _show(node, home)
    return 0 if node.passed else 1


def _wait(run: Path, inbox: Inbox, name: str) -> None:
    """Until the letter is out of the inbox: by the run's own process, or by this one where there is none."""
    from kernelsearch import search
    from kernelsearch.errors import KernelSearchError, RunBusy

    told = False
    try:
        while inbox.holds(name):
            try:
                search.judge_added(run, watch=_watch)
                _publish(run)
            except RunBusy:
                if not told:
                    click.echo(f"{run} goes on in another process, which judges it now; Ctrl-C leaves it there", err=True)
                told = True
                time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        click.echo(f"\nthe kernel stays in {inbox.folder}: whoever goes on with the run judges it", err=True)
        raise
    except (KernelSearchError, OSError):
        inbox.remove(name)  # it was ours to judge, and is not judged
        raise


def _watch(event: Event) -> None:
    from kernelsearch.report import words
    from kernelsearch.search import Warned

    if isinstance(event, Warned):
        click.echo(words.clean(f"warning: {event.text}"), err=True)


def _publish(run: Path) -> None:
    """The report anew, and the best kernel where that changed: as a search does at its end."""
    from kernelsearch.cli import session
    from kernelsearch.report import html

    html.write(run)
    session.keep_best(run)


def _node(home: RunFolder, name: str) -> Node:
    from kernelsearch.errors import UsageError
    from kernelsearch.workers.by_hand import judged

    node = judged(home.nodes, name)
    if node is None:
        raise UsageError(f"the run could not judge it and has set it aside in {home.path / 'inbox'}; it says why")
    return node


def _show(node: Node, home: RunFolder) -> None:
    from kernelsearch.cli import tables
    from kernelsearch.model import Outcome
    from kernelsearch.report import words

    best = home.journal.best
    rank = ", the new best" if best is not None and best.number == node.number else ""
    click.echo(f"attempt {node.number} of {home.path}, from attempt {node.parent}{rank}")
    if node.attempt.outcome is not Outcome.EVALUATED:
        click.echo(words.clean(f"{node.attempt.outcome.value}: {node.attempt.detail}"))
    if node.evaluation is not None:
        tables.show_evaluation(node.evaluation, home.task)
    if (ratio := _speedup(node, home)) is not None:
        unit = words.unit(node.evaluation.environment.time_kind) if node.evaluation is not None else ""
        click.echo(f"\n{words.time(node.time_us)} {unit}, {words.ratio(ratio)} the speed of the baseline")


def _speedup(node: Node, home: RunFolder) -> float | None:
    from kernelsearch.report import words

    return words.speedup(node, home.nodes[0])
