"""`kernelsearch watch FOLDER`: follow a run or a suite from another terminal, or one that goes on elsewhere, through its folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="watch", short_help="Follow a run or a suite from outside.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Show how it stands, and end.")
@click.option("--every", default=1.0, show_default=True, type=click.FloatRange(min=0.05), metavar="SECONDS", help="How often to look.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
def command(folder: Path, once: bool, every: float, as_json: bool) -> int:
    """Follow the run or suite in FOLDER as it grows, until it has ended or Ctrl-C.

    Nothing is written and no lock is taken, so it works beside the run, and on another host with the same disk. Exit code 1 if the
    run or suite ended with a failure.
    """
    from kernelsearch.cli import watching
    from kernelsearch.errors import UsageError
    from kernelsearch.suite import is_suite

    if not is_suite(folder) and not (folder / "run.json").is_file():
        raise UsageError(
            f"{folder} is the folder of neither a suite nor a run; a search that has just been started may not have made it yet"
        )
    watch = watching.suite_folder if is_suite(folder) else watching.run_folder
    return watch(folder, once=once, every=every, as_json=as_json)
