"""`kernelsearch bench SUITE…`: a search for each task of a suite or folder, and a table of what came out."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from kernelsearch.cli.options import BUDGET, LAB, SEARCH, SearchOptions, together
from kernelsearch.model.run import LOCAL


@click.command(name="bench", short_help="Optimise every task of a suite or folder.")
@click.argument("suites", nargs=-1, required=True)
@together(SEARCH, BUDGET, LAB)
@click.option("--launchers", type=click.Path(path_type=Path), help="CUDA sources for problems of others, by name; only these are taken.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the runs.  [default: runs/bench-TIME]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line and task on standard output.")
def command(suites: tuple[str, ...], launchers: Path | None, out: Path | None, as_json: bool, **chosen: Any) -> int:  # noqa: ANN401
    """Optimise every task of SUITES: names of suites or tasks, folders of them, or benchmarks of others such as a level of KernelBench.

    Exit code 1 if a task's own kernel failed, or a problem could not be read.

    Ctrl-C ends the current search gently and starts no further one.
    """
    from kernelsearch import digest, suite
    from kernelsearch.cli import health, inputs, session, tables
    from kernelsearch.errors import UsageError
    from kernelsearch.model import RunSpec, Task
    from kernelsearch.model.suite import Row
    from kernelsearch.report import html
    from kernelsearch.report.words import clean
    from kernelsearch.search import Event, Started, Warned

    options = SearchOptions(**chosen)
    tasks, broken = [], []
    items = [item for ref in suites for item in inputs.listed(ref)]
    for item in items if launchers is None else inputs.answered(items, launchers):
        try:
            tasks.append(item.read())
        except UsageError as error:  # one that cannot be read must not end the others
            broken.append(Row(task=item.name, suite=item.suite, folder="", failure=str(error)))
    for task in tasks:
        inputs.proposable(task, options.llm)
    folder = session.new_folder("bench", out)
    stop = threading.Event()

    def spec(task: Task) -> RunSpec:
        device = inputs.device_for(task, options.device)[0] if options.worker in (None, LOCAL) else options.device
        return replace(options, device=device).spec(task.name, digest.task(task))

    def watch(event: Event) -> None:
        match event:
            case Started():
                click.echo(f"{event.task.suite}/{event.task.name} on {event.environment.device} …", err=True)
                for text in health.remarks(event.environment, metrics=event.spec.metrics) if event.spec.worker == LOCAL else ():
                    click.echo(clean(f"warning: {text}"), err=True)
            case Warned():
                click.echo(clean(f"warning: {event.text}"), err=True)

    def told(row: Row) -> None:
        report = "" if row.failure else str(html.write(Path(row.folder)))
        click.echo(json.dumps({**asdict(row), "report": report}) if as_json else tables.bench_line(row, report))

    for row in broken:
        told(row)
    with session.gentle(stop, lambda text: click.echo(text, err=True), f"finished runs are in {folder}"):
        rows = *broken, *suite.run(tasks, spec, folder, watch=watch, told=told, stop=stop)
    if not as_json:
        tables.show_bench(rows)
    return 1 if any(row.failure for row in rows) else 0
