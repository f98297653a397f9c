"""What `kernelsearch tasks check` shows: a line a task, and a table where there is more to say."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import click

from kernelsearch import paths
from kernelsearch.admission import Admission, Line, admit
from kernelsearch.cli import tables
from kernelsearch.lab import open_lab
from kernelsearch.model import Task
from kernelsearch.report import words

_NAME = 24  # width of "suite/task"

Court = Callable[[Task, bool], Admission]


@contextmanager
def court(*, baseline: bool, seed: int, unsafe: bool) -> Iterator[Court]:
    """What tries a task, at its timed sizes too if asked: with its baseline on the emulated device, or with nothing but NumPy."""
    if baseline:
        with closing(open_lab(device="emulated", metrics="none", unsafe=unsafe, secret=f"trial {seed}")) as lab:
            yield lambda task, full: admit(task, lab.scratch, seed=seed, lab=lab, full=full)
        return
    scratch = paths.new_scratch()
    try:
        yield lambda task, full: admit(task, scratch, seed=seed, full=full)
    finally:
        paths.drop_scratch(scratch)


def show(admission: Admission, *, verbose: bool) -> None:
    """One line when admitted; else the first fault in a sentence, and the table of all."""
    name = f"{admission.suite}/{admission.task}"
    if admission.admitted:
        said = f"{words.count(admission.calls, 'call')}, {words.count(len(admission.lines), 'question')}{_left_out(admission)}"
        click.echo(words.clean(f"{name:<{_NAME}}  admitted  {said}, {words.duration(admission.seconds)}"))
    else:
        click.echo(words.clean(f"{name:<{_NAME}}  refused   {sentence(admission.faults[0])}"))
    if verbose or len(admission.faults) > 1:
        lines = admission.lines if verbose else admission.faults
        rows = [(line.solver, line.expected, "yes" if line.ok else "NO", line.what, line.case, line.distribution) for line in lines]
        tables.show(("solver", "should", "so", "what happened", "case", "inputs"), rows)
        click.echo()


def sentence(line: Line) -> str:
    """A fault in words."""
    place = f" (case {line.case}, {line.distribution} inputs)" if line.case else ""
    return f"{line.solver}: {line.what}{place}"


def _left_out(admission: Admission) -> str:
    untried = sum(line.what.startswith("not tried") for line in admission.lines)
    alike = [line.solver for line in admission.lines if line.what.startswith("not separable")]
    told = f", {untried} not tried" if untried else ""
    return told + (f", not separable: {', '.join(alike)}" if alike else "")


def total(admissions: Sequence[Admission]) -> None:
    """How many were admitted."""
    refused = [f"{a.suite}/{a.task}" for a in admissions if not a.admitted]
    said = f"{len(admissions) - len(refused)} of {words.count(len(admissions), 'task')} admitted"
    click.echo(f"\n{said}" + (f"; refused: {', '.join(refused)}" if refused else ""))


def as_json(admissions: Sequence[Admission]) -> str:
    """Everything, as a list with one object a task."""
    return json.dumps([{**dataclasses.asdict(a), "admitted": a.admitted} for a in admissions], indent=1) + "\n"
