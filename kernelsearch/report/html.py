"""The report of a run as one HTML file that needs no network, and no JavaScript to be read.

Details of an attempt are rendered once, here, whether they then stand in the page for readers without JavaScript or travel packed for the
page's script. The script only shows, hides, sorts and draws what is here; it makes no text of its own out of anything but numbers.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.llm.recording import ANSWERS, Exchange, read_exchanges
from kernelsearch.model import Hardware
from kernelsearch.report import bars, columns, ledger, roofline, svg, timing
from kernelsearch.report.markup import data, difference, listing, policy, table, visible
from kernelsearch.report.pack import pack
from kernelsearch.report.view import Record, RunView, build
from kernelsearch.store.files import put
from kernelsearch.store.rundir import RunFolder
from kernelsearch.templates import render

TEMPLATES = Path(__file__).parent / "templates"
_PLAIN = 4_000_000  # characters of details that a page holds for readers without JavaScript; of more only those of the way to the best
_LARGEST = 14_500_000
_DRAWN = 300  # nodes of a tree that is drawn for them
_PARTS = {"table": table, "difference": difference, "listing": listing}
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
    answers, unread = _answers(folder / ANSWERS)
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
        hardware=_hardware(run),
        answers=answers,
        unread=unread,
    )


def _hardware(run: RunFolder) -> Hardware | None:
    """The profile of the run's device; None also where a profile that was named is not on this machine."""
    try:
        return catalog.hardware_of(run.environment.device, run.spec.hardware)
    except UsageError:
        return None


def _answers(file: Path) -> tuple[tuple[Exchange, ...], str]:
    """The exchanges of a run, or why they cannot be shown: a page is not refused for them."""
    if not file.exists():
        return (), ""
    try:
        return read_exchanges(file), ""
    except UsageError as error:
        return (), str(error)


def page(view: RunView) -> str:
    """The whole file. Of a run that would not fit otherwise, attempts beside the way to the best are shown without counters and checks."""
    whole = _page(view, lean=False)
    return whole if len(whole) <= _LARGEST else _page(view, lean=True)


def _page(view: RunView, *, lean: bool) -> str:
    details = [visible(_details(view, number, lean)) for number in range(len(view.nodes))]
    answers = visible(render(TEMPLATES, "answers.html.j2", run=view))
    plain = len(view.nodes) if sum(map(len, details)) + len(answers) <= _PLAIN else 0
    shown = {node.number: details[node.number] for node in view.nodes if plain or node.on_path}
    style, script = assets("run")
    frame = render(
        TEMPLATES,
        "run.html.j2",
        run=view,
        policy=policy(style, script),
        style=style,
        script=script,
        **_PARTS,
        ledger_heads=("", *ledger.HEADS),
        curve=svg.curve(view.nodes, view.unit),
        tree=svg.tree(view.nodes) if len(view.nodes) <= _DRAWN else "",
        roofline="" if isinstance(view.roofline, str) else roofline.draw(view.roofline, view.nodes),
        rewards=bars.rewards(bars.chosen(view.nodes)),
        time=bars.shares(view.activities, "where the time of the attempts went"),
        shown=shown,
        answers=answers if plain else "",
        data=data(columns.of(view)),
        packed=pack([*details, answers]),
    )
    return visible(frame)


def _details(view: RunView, number: int, lean: bool) -> str:
    node = view.nodes[number]
    return render(
        TEMPLATES, "node.html.j2", run=view, node=node, lean=lean and not node.on_path, timing_heads=timing.heads(view.unit), **_PARTS
    )


@lru_cache(maxsize=4)
def assets(kind: str) -> tuple[str, str]:
    """The style sheet and the script of a page of this kind, "run" or "suite"."""
    scripts = {"run": ("page.js", "details.js", "layout.js", "tree.js", "attempts.js"), "suite": ("page.js", "table.js")}[kind]
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    parts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in scripts]
    return style, '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
