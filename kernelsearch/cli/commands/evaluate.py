"""`kernelsearch evaluate KERNEL`: judge one kernel as a search would, and show the evidence."""

from __future__ import annotations

import json
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
@click.option(
    "--until",
    type=click.Choice(["build", "verify", "measure", "profile"]),
    default="profile",
    show_default=True,
    help="Stop after this stage. What was not measured has no verdict.",
)
@click.option("--json", "as_json", is_flag=True, help="The whole evaluation as JSON.")
@click.option("--events", is_flag=True, help="One JSON object a line: the task, each stage as it begins, and the evaluation.")
def command(
    kernel: Path,
    ref: str | None,
    export: Path | None,
    until: str,
    as_json: bool,
    events: bool,
    **lab_options: Any,  # noqa: ANN401
) -> int:
    """Build, verify, time and profile KERNEL: a CUDA source, a PyTorch module or problem, or the baseline of a task.

    With --task PROBLEM.py, KERNEL is a module with a ModelNew, or a CUDA source whose `solve` takes a pointer for each tensor of the
    problem. Exit code 0 if it passes or nothing failed up to --until, 1 if it does not.
    """
    from kernelsearch import catalog, codec, digest
    from kernelsearch.cli import health, inputs, tables
    from kernelsearch.evaluate import examine
    from kernelsearch.formats import kernelbench
    from kernelsearch.lab import open_lab
    from kernelsearch.model import Candidate, Evaluation, Origin

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
        if events:
            _put("task", name=task.name, assumptions=list(task.assumptions), reference=task.reference is not None)
        found = examine(candidate, task, lab, until=until, watch=lambda stage: _put("stage", stage=stage) if events else None)
    if events:
        _put(type(found).__name__.lower(), found=json.loads(codec.dump_json(found)))
    elif as_json:
        click.echo(codec.dump_json(found))
    elif isinstance(found, Evaluation):
        tables.show_evaluation(found, task)
    else:
        tables.show_halfway(found, task)
    if isinstance(found, Evaluation):
        if export is not None and found.passed:
            export.write_text(wrapped, encoding="utf-8")
            click.echo(f"exported {export}", err=True)
        return 0 if found.passed else 1
    return 0


def _put(event: str, **values: object) -> None:
    click.echo(json.dumps({"event": event, **values}))
