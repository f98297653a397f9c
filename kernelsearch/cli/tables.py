"""Tables on the terminal: tasks, one evaluation, a suite's results. Cells are `Text`, so nothing in them is read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kernelsearch import guard
from kernelsearch.evaluate import Halfway
from kernelsearch.model import Check, Evaluation, Finding, Measurement, Profile, Task
from kernelsearch.model.suite import Row
from kernelsearch.report import evidence, timing, words

_WALLS = ("user", "system calls", "memory and processes")  # facts by which a sandbox tells what it achieved
_WIDE = 160  # columns to use when the output is not a terminal and has no width of its own


def show(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table; `right` are the columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, head in enumerate(heads):
        number = place in right
        table.add_column(head, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(words.clean(cell)) for cell in row))
    _console().print(table)


def width() -> int:
    """Columns that a table may take."""
    return _console().width


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def show_tasks(tasks: Sequence[Task]) -> None:
    """One line a task: what it computes on, and how many cases it is held against."""
    rows = [
        (
            f"{task.suite}/{task.name}",
            task.form.value,
            "; ".join(_sizes(case.sizes.items()) for case in task.timed_cases),
            str(len(task.cases) * len(task.distributions)),
            "baseline" if task.reference is None else "NumPy",
        )
        for task in tasks
    ]
    show(("task", "form", "timed at", "checks", "reference"), rows, right=(3,))


def show_cases(task: Task) -> None:
    """The cases of a task."""
    click.echo()
    rows = [(case.name, _sizes(case.sizes.items()), "timed and verified" if case.timed else "verified") for case in task.cases]
    show(("case", "sizes", ""), rows)


def _sizes(items: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{name}={value}" for name, value in items)


def show_evaluation(evaluation: Evaluation, task: Task) -> None:
    """A verdict with its evidence: checks, times by case, counters."""
    unit = words.unit(evaluation.environment.time_kind)
    click.echo(f"{task.name}: {evaluation.verdict.value}. {evaluation.verdict.report}")
    environment = evaluation.environment
    click.echo(f"on {environment.device}, {environment.time_kind}; sandbox: {environment.sandbox}")
    if walls := [f"{name} {text}" for name, text in environment.facts.items() if name in _WALLS]:
        click.echo(f"walls: {' · '.join(walls)}")
    if evaluation.detail:
        click.echo(words.clean(evaluation.detail))
    _show_findings(evaluation.findings)
    for hazard in evaluation.hazards:
        doubt = f" (doubtful: {hazard.doubt})" if hazard.doubt else ""
        click.echo(words.clean(f"{hazard.tool}: {hazard.message}{doubt}"))
    _show_checks(evaluation.checks)
    if evaluation.passed and evaluation.measurement is not None:
        _show_times(evaluation.measurement, unit)
    if second := evidence.trust(evaluation):
        click.echo(words.clean(second))
    if evaluation.profile is not None:
        _show_profile(evaluation.profile, words.bottleneck(evaluation))


def show_halfway(found: Halfway, task: Task) -> None:
    """Evidence without a verdict: what the compiler made of it, and checks if it was run."""
    click.echo(f"{task.name}: nothing failed up to {found.until}; on {found.environment.device}")
    _show_findings(found.findings)
    if found.build.resources:
        click.echo()
        rows = [
            (r.kernel, str(r.registers), str(r.spill_store_bytes + r.spill_load_bytes), str(r.shared_bytes)) for r in found.build.resources
        ]
        show(("kernel", "registers", "spilled bytes", "shared bytes"), rows, right=(1, 2, 3))
    _show_checks(found.checks)


def _show_checks(checks: Sequence[Check]) -> None:
    if checks:
        click.echo()
        rows = [(c.case, c.distribution, c.verdict.value, f"{c.max_error:.3g}", c.detail or c.where) for c in checks]
        show(("case", "inputs", "verdict", "error / gate", ""), rows, right=(3,))


def _show_profile(profile: Profile, bottleneck: str) -> None:
    click.echo(f"\n{bottleneck}" if bottleneck else "")
    if profile.facts:
        show(("on the hardware", ""), list(profile.facts.items()))
    for note in profile.notes:
        click.echo(words.clean(note))


def _show_findings(findings: Sequence[Finding]) -> None:
    """What the guard had to say."""
    for finding in findings:
        where = "" if finding.line is None else f"line {finding.line}: "
        strict = "; checked more strictly" if guard.suspicious([finding]) else ""
        click.echo(words.clean(f"{where}{finding.message} [{finding.rule}{strict}]"))


def _show_times(measurement: Measurement, unit: str) -> None:
    """Times by case, with the kernel that it was timed beside; then the speed-up over that, and the conditions."""
    rows = [(row.name, *row.cells) for row in timing.cases(measurement)]
    heads = timing.heads(unit)[: len(rows[0])]
    click.echo()
    show(heads, rows, right=range(1, len(heads)))
    if measurement.speedup is not None and measurement.interval is not None:
        sure = words.percent(measurement.interval.confidence)
        click.echo(f"{words.ratio(measurement.speedup)} {evidence.interval(measurement)} the task's own kernel, at {sure}")
    if conditions := evidence.conditions(measurement):
        click.echo(words.clean(conditions))


def bench_line(row: Row, report: str) -> str:
    """Said as soon as a task is done."""
    which = " ".join(filter(None, (f"{row.suite}/{row.task}", row.setting, f"seed {row.seed}" if row.seed else "")))
    if row.failure:
        return words.clean(f"{which}: failed: {words.first_line(row.failure, 200)}")
    late = ", cut off by its time limit" if row.censored else ""
    text = f"{which}: {words.ratio(row.speedup)} {_interval(row)}".rstrip() + late
    return words.clean(f"{text} · {report}" if report else text)


def _interval(row: Row) -> str:
    return "" if row.interval is None else f"[{row.interval[0]:.2f}, {row.interval[1]:.2f}]"
