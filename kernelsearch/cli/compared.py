"""From what `kernelsearch compare` is given to rows, and from a comparison to sentences."""

from __future__ import annotations

from pathlib import Path

import click

from kernelsearch.cli import batch_views, scoreboard
from kernelsearch.errors import UsageError
from kernelsearch.model import Row
from kernelsearch.report import words
from kernelsearch.store.rundir import RunFolder
from kernelsearch.suite import Entry, Job, Setting, SuiteFolder, is_suite
from kernelsearch.suite import rows as made
from kernelsearch.suite.compare import Comparison


def rows(ref: str) -> tuple[Row, ...]:
    """The rows of a suite's folder, of one of its settings (FOLDER:SETTING), or of a run. Raises `UsageError` where there are none."""
    path, setting = Path(ref), None
    if not path.exists() and ":" in ref:
        folder, _, setting = ref.rpartition(":")
        path = Path(folder)
    if is_suite(path):
        home = SuiteFolder.open(path)
        found = home.rows
        if not found:
            raise UsageError(f"{path}: no search of it is done yet; see `kernelsearch watch --once {path}`")
        if home.damaged:
            click.echo(f"warning: {batch_views.unread(home)[0]}", err=True)
        if setting is None:
            return found
        chosen = tuple(row for row in found if row.setting == setting)
        if not chosen:
            known = ", ".join(sorted({row.setting for row in found if row.setting})) or "none, as it has only one way to search"
            raise UsageError(f"{path} has no setting {setting!r}; its settings: {known}")
        return chosen
    if setting is not None:
        raise UsageError(f"{ref}: no such folder, and {path} is not a suite with a setting {setting!r}")
    if not (path / "run.json").is_file():
        raise UsageError(f"{path} is the folder of neither a suite nor a run")
    return (_of_run(path),)


def _of_run(path: Path) -> Row:
    """A run as a suite of one."""
    spec, task = (home := RunFolder.open(path)).spec, home.task
    entry = Entry(ref=str(path), suite=task.suite, name=task.name, digest=spec.task)
    row = made.from_folder(path, Job(entry=entry, seed=spec.seed, setting=Setting(spec=spec), folder=path.name, label=entry.label))
    if row.failure:
        raise UsageError(f"{path}: {row.failure}")
    return row


def check(found: Comparison, a: str, b: str) -> None:
    """Raise `UsageError` where nothing can be compared, with the reason."""
    if not found.differences:
        if _same_tasks(found):
            raise UsageError(f"the settings of {a} and {b} are called otherwise: name one of each, as in {a}:SETTING")
        raise UsageError(f"{a} and {b} have no task in common")
    if found.overall is None:
        whys = dict.fromkeys(d.why for d in found.differences if d.why)
        raise UsageError(f"nothing in {a} and {b} can be compared: {'; '.join(whys)}")


def _same_tasks(found: Comparison) -> bool:
    """Whether it is the settings alone that keep the two apart."""
    ours, theirs = ({label.partition(" ")[0] for label in labels} for labels in (found.only_a, found.only_b))
    return bool(ours & theirs)


def summary(found: Comparison, level: float) -> list[str]:
    """What it comes to, in words."""
    faster = [sum(d.ratio is not None and (d.ratio > 1) == up for d in found.real) for up in (True, False)]
    tested = sum(d.p is not None for d in found.differences)
    shown = f"B is faster in {faster[0]}, A in {faster[1]}" if any(faster) else "no difference shown in any"
    lines = [f"{shown} of {words.count(tested, 'task')} tested, at {words.percent(level)} corrected for their number (Holm)"]
    if found.overall is not None and len(found.differences) > 1:
        lines.append(f"over all tasks: {scoreboard.verdict(found.overall)}")
    seeds = max(d.seeds for d in found.differences)
    if seeds == 1:
        lines.append("one seed each: this tells the kernels apart that were found, not the ways to search for them (bench --seeds)")
    elif seeds < 6:
        lines.append(f"{seeds} seeds: six are the fewest that can show a difference between two ways to search, at 5 %")
    lines += [f"only in {name}: {', '.join(labels)}" for name, labels in (("A", found.only_a), ("B", found.only_b)) if labels]
    return lines
