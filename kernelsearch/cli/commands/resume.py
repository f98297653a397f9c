"""`kernelsearch resume RUN`: go on with a run that was stopped, or give it more budget."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click

from kernelsearch.cli.options import BUDGET, CONFIRM, WORKER, limits, together, where


@click.command(name="resume", short_help="Go on with a run.")
@click.argument("run", type=click.Path(path_type=Path))
@together(BUDGET, (WORKER, CONFIRM))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The winning kernel.  [default: RUN/best.cu]")
@click.option("--force", is_flag=True, help="Replace what --output names.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
@click.option("--quiet", is_flag=True, help="No line for each attempt.")
def command(
    run: Path,
    worker: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    confirm: bool,
    **limit: Any,  # noqa: ANN401
) -> None:
    """Go on with the run in the folder RUN. A limit given here replaces all of the run's; what was used before counts towards it.

    --worker replaces the run's too, as when a spool was moved.
    """
    from kernelsearch import search
    from kernelsearch.cli import session, views

    if output is not None:
        session.check_free(output, force=force)
    chosen, judging = limits(**limit), where(worker)
    view = views.open_view(as_json=as_json, quiet=quiet)
    ask = session.consent(view, confirm=confirm, as_json=as_json)

    def go(watch: search.Watch, stop: threading.Event) -> search.Result:
        return search.resume(run, budget=chosen, worker=judging, watch=watch, stop=stop, ask=ask(stop))

    session.conduct(go, view, run, output)
