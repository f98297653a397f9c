"""The report of a run as one HTML file that needs no network and no JavaScript to be read."""

from __future__ import annotations

from pathlib import Path

from kernelsearch.errors import UsageError
from kernelsearch.report import svg, timing
from kernelsearch.report.view import Record, RunView, build
from kernelsearch.store.files import put
from kernelsearch.store.rundir import RunFolder
from kernelsearch.templates import render

_TEMPLATES = Path(__file__).parent / "templates"
NAME = "report.html"


def write(folder: Path) -> Path:
    """Write `report.html` into a run folder, replacing an older one at once; returns its path.

    Also for a run that is going on, was stopped, or whose journal is damaged. Raises `UsageError` for a folder that holds no run or a
    run whose baseline was not recorded, `OSError` when the disk refuses.
    """
    view = build(read(folder))
    target = folder / NAME
    put(target, page(view))
    return target


def read(folder: Path) -> Record:
    """What is recorded of a run. Raises `UsageError` as `write` does."""
    run = RunFolder.open(folder)
    if not run.nodes:
        why = f"{run.damaged}, so" if run.damaged else f"{folder} has no node yet, so"
        raise UsageError(f"{why} there is nothing to report; run `kernelsearch resume {folder}` first")
    return Record(
        task=run.task,
        spec=run.spec,
        environment=run.environment,
        nodes=run.nodes,
        totals=run.journal.totals,
        started=run.header.started,
        version=run.header.version,
        folder=str(folder),
        damaged=run.damaged,
        rewards=run.header.rewards,
    )


def page(view: RunView) -> str:
    """The whole file."""
    charts = {"curve": svg.curve(view.nodes, view.unit), "tree": svg.tree(view.nodes)}
    return render(_TEMPLATES, "run.html.j2", run=view, timing_heads=timing.heads(view.unit), **charts)
