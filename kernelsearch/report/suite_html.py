"""The page of a suite: what came of many searches, in one HTML file beside their folders, with links to each run's own report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.model.suite import Row
from kernelsearch.report import suite_svg, suite_view
from kernelsearch.report.html import NAME, TEMPLATES, assets
from kernelsearch.report.markup import policy, table, visible
from kernelsearch.report.suite_view import SuiteView
from kernelsearch.store.files import put
from kernelsearch.store.rundir import SUITE
from kernelsearch.templates import render

ROWS = "suite.jsonl"  # in the folder of a suite, a row a line


def is_suite(folder: Path) -> bool:
    """Whether `folder` is that of a suite, and not of one run."""
    return (folder / SUITE).is_file() or (folder / ROWS).is_file()


def read(folder: Path) -> tuple[Row, ...]:
    """The rows of a suite; of two with one key the later. A last line that is torn is left out, as a suite may be going on.

    Raises `UsageError` for a folder without rows, and for another line that is none.
    """
    file = folder / ROWS
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError as error:
        raise UsageError(_none_yet(folder)) from error
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}; give the folder that `kernelsearch bench --out` made") from error
    found: dict[tuple[str, str, int, str], Row] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = codec.load_json(Row, line)
        except UsageError as error:
            if number == len(lines):  # without its line end: it is being written
                break
            raise UsageError(f"{file}, line {number}: {error}; remove that line, or run its task again") from error
        found[row.key] = row
    if not found:
        raise UsageError(_none_yet(folder))
    return tuple(found.values())


def _none_yet(folder: Path) -> str:
    return f"{folder}: no search of it is done yet, so there is nothing to report; see `kernelsearch watch --once {folder}`"


def write(folder: Path, rows: Sequence[Row], gaps: Sequence[str] = ()) -> Path:
    """Write `report.html` for `rows` into the folder of their suite, replacing an older one at once; returns its path.

    `gaps` says what there is no row of, in sentences for the head of the page.
    """
    target = folder / NAME
    put(target, page(suite_view.build(rows, folder), gaps))
    return target


def page(view: SuiteView, gaps: Sequence[str] = ()) -> str:
    """The whole file."""
    style, script = assets("suite")
    rows = [entry.row for entry in view.entries]
    return visible(
        render(
            TEMPLATES,
            "suite.html.j2",
            suite=view,
            gaps=gaps,
            heads=("", *suite_view.HEADS),
            table=table,
            policy=policy(style, script),
            style=style,
            script=script,
            fast=suite_svg.fast_p(view.series),
            groups=suite_svg.groups(view.entries),
            libraries=suite_svg.libraries(view.entries),
            curves=suite_svg.best_so_far(rows),
            sparks={entry.number: suite_svg.spark(entry.row) for entry in view.entries},
        )
    )
