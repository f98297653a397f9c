"""`kernelsearch worker DIR`: judge what searches ask for through a folder, on the machine that has the GPU."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from kernelsearch.workers.spool.count import Count
    from kernelsearch.workers.spool.serve import Ending


@click.command(name="worker", short_help="Judge what searches elsewhere ask for through a folder.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--until-empty", is_flag=True, help="End once every request has its answer: for batch jobs. The same as --idle 0.")
@click.option(
    "--idle", type=click.FloatRange(min=0), metavar="SECONDS", help="End when there was nothing to do for so long.  [default: never]"
)
@click.option("--parallel", default=1, show_default=True, type=click.IntRange(min=1), help="Requests at a time; one of them uses the GPU.")
@click.option(
    "--lease",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Without a sign of life for so long, others take this worker for dead and its requests over.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, pycuda, emulated or host; cuda:1 is the second GPU.")
@click.option("--hardware", default="", help="Hardware profile to model, or to hold the GPU against, such as h100.")
@click.option("--unsafe", is_flag=True, help="Where no sandbox works, run candidates without one. Only for kernels that you trust.")
def command(
    folder: Path, until_empty: bool, idle: float | None, parallel: int, lease: float, device: str, hardware: str, unsafe: bool
) -> int:
    """Judge what `kernelsearch optimize --worker spool:DIR` asks for, here, and write the answers into the folder DIR.

    DIR may be on a shared disk or a copy that rsync keeps; several workers may serve one on a shared disk. A line is printed for each
    request. Ctrl-C ends after the requests in hand; a second one, or SIGTERM, gives them back at once. Exit code 1 if something was
    refused.

    A request holds the task's reference, Python that runs here as you: serve only a folder whose writers you trust.
    """
    from kernelsearch.cli import health
    from kernelsearch.lab import open_lab
    from kernelsearch.report.words import clean
    from kernelsearch.workers.spool.serve import Ending, Terms, serve
    from kernelsearch.workers.spool.station import LabStation

    def say(text: str) -> None:
        click.echo(clean(text))

    ending = Ending()
    terms = Terms(idle_s=0.0 if until_empty and idle is None else idle, parallel=parallel, lease_s=lease)
    with closing(open_lab(device=device, hardware=hardware, metrics="none", unsafe=unsafe)) as lab, _until_told(ending):
        environment = lab.environment
        say(f"serving {folder} on {environment.device}, {environment.time_kind} · sandbox: {environment.sandbox}")
        for text in health.remarks(environment, metrics="quick"):
            click.echo(clean(f"warning: {text}"), err=True)
        count = serve(folder, LabStation(lab), terms, ending, say)
    say(_summary(count))
    return 1 if count.refused else 0


def _summary(count: Count) -> str:
    from kernelsearch.cli.busy import busy

    parts = [f"{count.answered} answered"]
    if count.taken_over:
        parts.append(f"{count.taken_over} taken over from workers that died")
    if count.late:
        parts.append(f"{count.late} answered by another worker before")
    if count.returned:
        parts.append(f"{count.returned} given back")
    if count.refused:
        parts.append(f"{count.refused} refused")
    return "done: " + ", ".join(parts) + busy(count.worked(""))


@contextmanager
def _until_told(ending: Ending) -> Iterator[None]:
    """The first Ctrl-C ends after what is in hand; the second, or SIGTERM as from a batch system, at once."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM or ending.stop.is_set():
            ending.drop.set()
        else:
            click.echo("stopping after the requests in hand (again to give them back)", err=True)
        ending.stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
