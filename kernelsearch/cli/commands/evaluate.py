"""`kernelsearch evaluate KERNEL`: judge one kernel as a search would, and show the evidence."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from kernelsearch.cli.options import LAB, together


@click.command(name="evaluate", short_help="Judge one kernel, and show the evidence.")
@click.argument("kernel", type=click.Path(path_type=Path))
@click.option("--task", "ref", help="Task to hold it against.  [default: the one beside KERNEL, drafted if there is none]")
@together(LAB)
@click.option("--export", type=click.Path(path_type=Path), help="Write a launcher for a PyTorch problem, if it passes, as a ModelNew.")
@click.option("--json", "as_json", is_flag=True, help="The whole evaluation as JSON.")
def command(kernel: Path, ref: str | None, export: Path | None, as_json: bool, **lab_options: Any) -> int:  # noqa: ANN401
    """Build, verify, time and profile KERNEL: a CUDA source, a PyTorch module or problem, or the baseline of a task.

    With --task PROBLEM.py, KERNEL is a module with a ModelNew, or a CUDA source whose `solve` takes a pointer for each tensor of the
    problem. Exit code 0 if it passes, 1 if it does not.
    """
    from kernelsearch import catalog, codec, digest
    from kernelsearch.cli import health, inputs, tables
    from kernelsearch.evaluate import evaluate
    from kernelsearch.formats import kernelbench
    from kernelsearch.lab import open_lab
    from kernelsearch.model import Candidate, Origin

    launcher = kernel if kernel.suffix in inputs.SOURCES else None
    subject = inputs.Subject(task=inputs.task(ref, launcher=launcher)) if ref is not None else inputs.subject(str(kernel))
    task = subject.task
    lab_options["device"], remarks = inputs.device_for(task, lab_options["device"])
    for note in (*subject.notes, *remarks):
        click.echo(note, err=True)
    own = launcher is not None or (ref is not None and kernel.suffix == inputs.PROBLEM)
    source = catalog.read(kernel) if own else task.baseline
    candidate = Candidate(task=digest.task(task), source=source, flags=task.flags, origin=Origin(proposer="user"))
    wrapped = "" if export is None else kernelbench.export_model_new(task, candidate)  # before the work: it refuses what is no launcher
    with closing(open_lab(**lab_options)) as lab:
        for text in health.remarks(lab.environment, metrics=lab_options["metrics"]):
            click.echo(f"warning: {text}", err=True)
        evaluation = evaluate(candidate, task, lab)
    if as_json:
        click.echo(codec.dump_json(evaluation))
    else:
        tables.show_evaluation(evaluation, task)
    if export is not None and evaluation.passed:
        export.write_text(wrapped, encoding="utf-8")
        click.echo(f"exported {export}", err=True)
    return 0 if evaluation.passed else 1
