"""`kernelsearch bench SUITE…`: searches for each task, seed and setting, and a table of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kernelsearch.cli.options import BUDGET, LAB, SEARCH, SearchOptions, together

_WAYS = ("eager", "compile")
_WHAT = (
    click.option("--seeds", metavar="N|A,B", help="How many seeds, from --seed on, or which.  [default: one]"),
    click.option(
        "--setting", multiple=True, metavar="NAME=OPTIONS|FILE.toml", help="A way to search by name, or a table of lists of them."
    ),
    click.option("--only", multiple=True, metavar="GLOB", help="Only tasks that are called so; can be given again."),
    click.option("--skip", multiple=True, metavar="GLOB", help="No task that is called so; can be given again."),
    click.option(
        "--launchers", type=click.Path(path_type=Path), help="CUDA sources for problems of others, by name; only these are taken."
    ),
    click.option("--shard", metavar="I/N", help="Only the I-th of N parts of the tasks, for N machines."),
    click.option("--task-minutes", type=click.FloatRange(min=0, min_open=True), help="End a search gently after so long, and mark it."),
    click.option("--yardstick", default="eager", show_default=True, metavar="eager,compile|none", help="Time libraries too, on a GPU."),
)
_HOW = (
    click.option("--gpus", metavar="all|0,1", help="A search on each of these GPUs at a time, where otherwise one GPU serves all."),
    click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Searches at a time; with --gpus, on each."),
    click.option("--out", type=click.Path(path_type=Path), help="Folder for the suite.  [default: runs/bench-TIME]"),
    click.option("--resume", type=click.Path(path_type=Path), metavar="FOLDER", help="Go on with a suite; nothing is searched twice."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line and search on standard output; scores in the last."),
)


@click.command(name="bench", short_help="Optimise every task of a suite, and compare.")
@click.argument("suites", nargs=-1)
@together(_WHAT, SEARCH, BUDGET, LAB, _HOW)
def command(suites: tuple[str, ...], **chosen: Any) -> int:  # noqa: ANN401
    """Optimise every task of SUITES: names of suites or tasks, folders of them, or benchmarks of others such as a level of KernelBench.

    Every task is searched with every seed and setting, each in a folder of its own. What fails, or cannot be read, is a line of the
    table and exit code 1; the rest goes on. Ctrl-C ends gently; after that, or after any kill, `kernelsearch bench --resume FOLDER`.

    \b
    kernelsearch bench core --seeds 3 --budget 24 --task-minutes 20
    kernelsearch bench algebra llm sparse scientific --gpus all --budget 24
    kernelsearch bench core --only '*softmax*' --setting mcts='--strategy mcts' --setting beam='--strategy beam'
    """
    from contextlib import closing

    from kernelsearch.cli import batch, batch_views
    from kernelsearch.errors import UsageError
    from kernelsearch.suite import SuiteFolder

    how = {name: chosen.pop(name) for name in ("gpus", "jobs", "out", "resume", "as_json")}
    what = {name: chosen.pop(name) for name in ("seeds", "setting", "only", "skip", "shard", "task_minutes", "yardstick", "launchers")}
    view, places = batch_views.open_view(as_json=how["as_json"]), batch.places(how["gpus"], how["jobs"], chosen["worker"])
    if how["resume"] is not None:
        if suites or any(what[name] for name in ("seeds", "setting", "only", "skip", "shard", "launchers")):
            raise UsageError(f"--resume goes on with what {how['resume']} began: leave out suites, seeds, settings and filters")
        with closing(SuiteFolder.open_for_writing(how["resume"])) as home:
            return batch.conduct(home, view, places)
    if not suites:
        raise UsageError("name a suite, as in `kernelsearch bench core`; `kernelsearch tasks` lists what there is")
    return _begin(suites, SearchOptions(**chosen), what, how["out"], view, places)


def _begin(suites: tuple[str, ...], options: SearchOptions, what: dict[str, Any], out: Path | None, view: Any, places: Any) -> int:  # noqa: ANN401
    from contextlib import closing

    from kernelsearch.cli import batch, session, settings
    from kernelsearch.cli.gather import Gathered
    from kernelsearch.suite import SuiteFolder

    wanted = batch.Wanted(
        settings=settings.settings(what["setting"], options),
        seeds=settings.seeds(what["seeds"], options.seed),
        only=what["only"],
        skip=what["skip"],
        shard=settings.shard(what["shard"]),
        task_minutes=what["task_minutes"],
        yardsticks=_yardsticks(what["yardstick"]),
    )
    gathered = Gathered(suites, options.llm, what["launchers"], only=what["only"], skip=what["skip"])
    header = batch.header(gathered, wanted)
    with closing(SuiteFolder.create(session.new_folder("bench", out, "kernelsearch bench --resume"), header)) as home:
        for problem in header.problems:
            view.refused(problem)
        return batch.conduct(home, view, places, gathered)


def _yardsticks(text: str) -> tuple[str, ...]:
    from kernelsearch.errors import UsageError

    chosen = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if chosen == ("none",):
        return ()
    if unknown := [part for part in chosen if part not in _WAYS]:
        raise UsageError(f"--yardstick {unknown[0]!r}: one of {', '.join(_WAYS)}, several with commas, or none")
    return chosen
