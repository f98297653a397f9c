"""`kernelsearch optimize KERNEL`: one search from a kernel to a faster one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kernelsearch.cli.options import BUDGET, CONFIRM, LAB, SEARCH, SearchOptions, price_notes, together
from kernelsearch.model.run import LOCAL


@click.command(name="optimize", short_help="Search for a faster version of a kernel.")
@click.argument("kernel")
@click.option("--task", "against", help="PyTorch problem (.py) that KERNEL, a .cu, is a launcher for.")
@together(SEARCH, BUDGET, (CONFIRM,), LAB)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/NAME-TIME]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The winning kernel.  [default: KERNEL.opt.cu beside a .cu]",
)
@click.option("--force", is_flag=True, help="Replace what --output names.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
@click.option("--quiet", is_flag=True, help="No line for each attempt.")
def command(
    kernel: str,
    against: str | None,
    out: Path | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    confirm: bool,
    **chosen: Any,  # noqa: ANN401
) -> None:
    """Search for a faster version of KERNEL, verified against its reference.

    KERNEL is a .cu file, a PyTorch problem in KernelBench's form (.py), a task file or folder, or the name of a task (see
    `kernelsearch tasks`). For a bare .cu the task is drafted and written beside it. Ctrl-C ends the search gently;
    `kernelsearch resume` goes on with it.
    """
    from kernelsearch import digest, search
    from kernelsearch.cli import inputs, session, views

    subject = inputs.subject(kernel, against)
    task = subject.task
    inputs.proposable(task, chosen["llm"])
    remarks: tuple[str, ...] = ()
    if chosen["worker"] in (None, LOCAL):
        chosen["device"], remarks = inputs.device_for(task, chosen["device"])
    spec = SearchOptions(**chosen).spec(task.name, digest.task(task))
    if output is None and subject.source is not None:
        output = subject.source.with_suffix(f".opt{session.suffix(task)}")
    if output is not None:
        session.check_free(output, force=force)
    folder = session.new_folder(task.name, out)
    view = views.open_view(as_json=as_json, quiet=quiet)
    for note in (*subject.notes, *remarks, *price_notes(spec)):
        view.note(note)
    ask = session.consent(view, confirm=confirm, as_json=as_json)
    with inputs.named(subject):
        session.conduct(
            lambda watch, stop: search.optimize(task, spec, folder, watch=watch, stop=stop, ask=ask(stop)), view, folder, output
        )
