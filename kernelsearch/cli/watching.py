"""What `kernelsearch watch` does: looks at a folder again and again, and shows it by the views that a run itself has."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from kernelsearch.cli import batch_views, views
from kernelsearch.report import html
from kernelsearch.search import Ended, Warned
from kernelsearch.store import pulse
from kernelsearch.suite.follow import RunFollower, SuiteFollower

NOT_ENDED = "not ended yet"


def run_folder(folder: Path, *, once: bool, every: float, as_json: bool) -> int:
    """Until the run has ended; with `once` only what there is. Raises `UsageError` for a folder that holds no run."""
    follower = RunFollower(folder)
    ended = NOT_ENDED
    with views.open_view(as_json=as_json, quiet=False) if not once or as_json else views.PlainView() as view:
        while True:
            for event in follower.poll():
                if isinstance(event, Ended):
                    ended = event.reason
                if not (once and isinstance(event, Warned)):
                    view.watch(event)
            if once or follower.over:
                break
            time.sleep(every)
        result = follower.result(ended)
        if result is not None:
            report = folder / html.NAME
            view.finish(result, report=str(report) if report.is_file() else f"kernelsearch report {folder}", kept=None)
        else:
            view.note(f"no baseline was recorded: {ended}")
    end = pulse.ended(folder)
    return 1 if end is not None and end.failed else 0


def suite_folder(folder: Path, *, once: bool, every: float, as_json: bool) -> int:
    """Until the suite has ended; with `once` only its tables. Raises `UsageError` for a folder that holds no suite."""
    follower = SuiteFollower(folder)
    if once:
        follower.poll()
        _show(follower, as_json)
        return _code(folder)
    with batch_views.open_view(as_json=as_json) as view:
        view.start(follower.home, follower.board)
        said = False
        while True:
            for row in follower.poll():
                report = folder / Path(row.folder).name / html.NAME  # the suite may have been moved, or be seen from elsewhere
                view.told(row, str(report) if report.is_file() else "")
            if follower.silent and not said:
                view.note(f"no sign of life for {pulse.SILENT_S:.0f} s; if it was killed: kernelsearch bench --resume {folder}")
            said = follower.silent
            if follower.ended:
                break
            time.sleep(every)
        view.finish(follower.home, follower.board, follower.ended, ())
    return _code(folder)


def _show(follower: SuiteFollower, as_json: bool) -> None:
    if not as_json:
        click.echo(batch_views.opening(follower.home, follower.board))
        batch_views.show(follower.home, follower.board, follower.ended)
        return
    for row in follower.home.rows:
        click.echo(json.dumps(asdict(row)))
    click.echo(json.dumps(batch_views.summary(follower.home, follower.board, follower.ended)))


def _code(folder: Path) -> int:
    end = pulse.ended(folder)
    return 1 if end is not None and end.failed else 0
