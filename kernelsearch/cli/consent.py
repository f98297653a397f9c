"""A synthesised task before a person's eyes, and the two questions: before its reference runs, and before it is kept.

`reference.py` is Python that runs as the user. So all of it is shown before it runs for the first time, and again whenever the model
changed it. Nothing is asked with `--yes`; without a terminal and without `--yes` nothing begins.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from kernelsearch.admission import Admission
from kernelsearch.cli import progress, tables, trials
from kernelsearch.errors import KernelSearchError, UsageError
from kernelsearch.model import Task, Thought
from kernelsearch.report.words import clean
from kernelsearch.synthesize import Proposed

RUNS_AS_YOU = "reference.py is Python that a model wrote; it runs as you, outside any box. Read it before you agree."


def check_can_be_given(*, yes: bool) -> None:
    """Raise `UsageError` where nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "a task that a model writes is shown for consent before its reference.py runs, and there is no terminal to ask on: "
            "run this in one, or pass --yes to agree unseen"
        )


def before_it_runs(proposed: Proposed, *, yes: bool) -> None:
    """Show the task and all its files, and ask. Raises `KernelSearchError` where the answer is no."""
    _show(proposed)
    if not yes and not click.confirm("run reference.py here, and try the task?", default=False):
        raise KernelSearchError("declined: nothing of it was run, and no task was written; say it in other words to try again")


def before_it_is_kept(admission: Admission, folder: Path, *, yes: bool) -> None:
    """Say what the admission tests found, and ask. Raises `KernelSearchError` where the answer is no."""
    trials.show(admission, verbose=True)
    if not yes and not click.confirm(f"write the task to {folder} and go on?", default=True):
        raise KernelSearchError("declined: no task was written; say it in other words to try again")


def show_thoughts(thoughts: Sequence[Thought]) -> None:
    """What will be tried first."""
    rows = [(str(number), thought.title, thought.plan.replace("\n", " ")) for number, thought in enumerate(thoughts, 1)]
    tables.show(("", "thought", "plan"), rows, right=(0,))
    click.echo()


def _show(proposed: Proposed) -> None:
    task = proposed.task
    click.echo()
    for line in (*progress.described(task), *_facts(task)):
        click.echo(clean(line))
    tables.show_cases(task)
    for name in ("task.toml", "baseline.cu", "reference.py"):  # the one that runs here is read last
        click.echo(clean(f"\n── {name}\n{proposed.files[name].rstrip()}"))
    click.echo(f"\n{RUNS_AS_YOU}")


def _facts(task: Task) -> Sequence[str]:
    given = task.tolerance
    by_hand = (
        f"rtol {given.rtol or 0:g}, atol {given.atol or 0:g} times the RMS" if given.rtol is not None or given.atol is not None else ""
    )
    tolerance = by_hand or f"what rounding explains in sums of {given.reduction} terms"
    costs = [f"{name} {formula}" for name, formula in (("bytes", task.cost.bytes), ("flops", task.cost.flops)) if formula is not None]
    indent = " " * progress.NAME
    return (
        f"{indent}inputs drawn from: {', '.join(each.value for each in task.distributions)}",
        f"{indent}tolerance: {tolerance}",
        f"{indent}cost that no kernel can do without: {'; '.join(costs) or 'not stated'}",
    )
