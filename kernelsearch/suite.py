"""Many runs: the same search for each task of a suite, one after the other, each in its own folder.

A task that cannot be searched is a row with its failure; it does not end the suite.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from kernelsearch import search
from kernelsearch.errors import BaselineFailed
from kernelsearch.model import RunSpec, Task
from kernelsearch.model.suite import Row
from kernelsearch.search import Event, Result, Started, Watch
from kernelsearch.store.rundir import RunFolder


def run(
    tasks: Sequence[Task],
    spec: Callable[[Task], RunSpec],
    folder: Path,
    *,
    watch: Watch,
    told: Callable[[Row], None],
    stop: threading.Event,
) -> tuple[Row, ...]:
    """Optimise each task in `folder/SUITE-TASK`. Ends early when `stop` is set.

    `watch` hears every event of every run, `told` of each row as it is done.

    Raises `ToolMissing` and its like at the first task: what the machine lacks for one task it lacks for all.
    """
    rows = []
    for task in tasks:
        if stop.is_set():
            break
        row = _run_one(task, spec(task), folder / f"{task.suite}-{task.name}", watch, stop)
        rows.append(row)
        told(row)
    return tuple(rows)


def _run_one(task: Task, spec: RunSpec, folder: Path, watch: Watch, stop: threading.Event) -> Row:
    started: list[Started] = []

    def watching(event: Event) -> None:
        if isinstance(event, Started):
            started.append(event)
        watch(event)

    try:
        result = search.optimize(task, spec, folder, watch=watching, stop=stop)
    except BaselineFailed as error:
        return Row(task=task.name, suite=task.suite, folder=str(folder), failure=str(error))
    return Row(
        task=task.name,
        suite=task.suite,
        folder=str(folder),
        time_kind=started[0].environment.time_kind,
        baseline_us=result.baseline.time_us,
        best_us=result.best.time_us,
        speedup=result.speedup,
        interval=_interval(result),
        candidates=result.totals.candidates,
        seconds=result.totals.seconds,
        usd=result.totals.usage.usd,
        steps=" > ".join(_steps(result, folder)),
        ended=result.ended,
    )


def _interval(result: Result) -> tuple[float, float] | None:
    measurement = None if result.best.evaluation is None else result.best.evaluation.measurement
    found = None if measurement is None or result.best.number == 0 else measurement.interval
    return None if found is None else (found.low, found.high)


def _steps(result: Result, folder: Path) -> list[str]:
    journal = RunFolder.open(folder).journal
    way = (*reversed(journal.lineage(result.best.number)), result.best)
    return [node.candidate.origin.directive for node in way[1:] if node.candidate is not None]
