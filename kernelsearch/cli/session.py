"""One search under a person's eyes: signals, the view, the winning kernel on disk, and the report, whatever the end.

The first Ctrl-C (or SIGTERM) ends the search gently: the journal is kept, the report is written. The second ends the process at once;
nothing recorded is lost even then, since the journal is flushed with each node.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from kernelsearch.cli import health
from kernelsearch.cli.views import View
from kernelsearch.errors import KernelSearchError, UsageError
from kernelsearch.model import Form, Task
from kernelsearch.model.run import GPUS, LOCAL
from kernelsearch.report import html, words
from kernelsearch.report.view import best_of
from kernelsearch.search import Event, Result, Started, Warned, Watch
from kernelsearch.store.files import check_new, put
from kernelsearch.workers.consent import Ask

BEST = "best.cu"  # the winning kernel, in the run folder; best.py of a PyTorch problem


def conduct(go: Callable[[Watch, threading.Event], Result], view: View, folder: Path, output: Path | None) -> Result:
    """Run `go` to its end, then write the best kernel and the report. `output` is written only when something beat the baseline.

    An error leaves the report of what was recorded and says how to go on, then is raised again.
    """
    stop = threading.Event()
    with view, gentle(stop, view.note, f"go on with: kernelsearch resume {folder}"):
        try:
            result = go(_told(view), stop)
        except (KernelSearchError, OSError):
            _salvage(folder, view)
            raise
        report = html.write(folder)
        kept = _keep(result, folder, output, view)
        view.finish(result, report=str(report), kept=kept)
        if stop.is_set():
            view.note(f"go on with: kernelsearch resume {folder}")
    return result


def consent(view: View, *, confirm: bool, as_json: bool) -> Callable[[threading.Event], Ask | None]:
    """Who is asked before a candidate runs, once it is known what ends the run. Raises `UsageError` without a terminal."""
    if not confirm:
        return lambda stop: None
    from kernelsearch.cli.asking import asker, check_terminal

    check_terminal(as_json=as_json)
    return lambda stop: asker(view, stop, as_json=as_json)


def keep_best(folder: Path) -> None:
    """Write the best kernel of a run into its folder, if there is a better one than the baseline."""
    run = html.read(folder)
    best = best_of(run.nodes)
    if best.number and best.candidate is not None and words.gained(words.speedup(best, run.nodes[0]) or 1.0):
        put((folder / BEST).with_suffix(suffix(run.task)), best.candidate.source)


def suffix(task: Task) -> str:
    """Of the files that hold candidates of `task`."""
    return ".py" if task.form is Form.TORCH else ".cu"


def _told(view: View) -> Watch:
    """The view as a watch, which also hears what is odd about the GPU, as soon as it is known which one it is."""

    def watch(event: Event) -> None:
        view.watch(event)
        # A worker elsewhere says it there. Where several GPUs of this machine are used, they are of one kind, and this is one of them.
        if isinstance(event, Started) and event.spec.worker.partition(":")[0] in (LOCAL, GPUS):
            for text in health.remarks(event.environment, metrics=event.spec.metrics):
                view.watch(Warned(text=text))

    return watch


def new_folder(name: str, out: Path | None, go_on: str = "kernelsearch resume") -> Path:
    """Where a new run goes: `out`, or `runs/NAME-TIME` below the current folder. Raises `UsageError` if `out` is there: before the search,
    since after an error in it what lies in the folder is taken for its record."""
    if out is not None:
        check_new(out, go_on)
        return out
    base = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    tries = (base if i == 1 else base.with_name(f"{base.name}-{i}") for i in range(1, 1000))
    return next(path for path in tries if not path.exists())


def check_free(path: Path, *, force: bool) -> None:
    """Raise `UsageError` if `path` is taken and may not be replaced, or can not be written."""
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; replace it with --force, or name another file with --output")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"{path.parent} is not a folder that can be written; name another file with --output")


def _keep(result: Result, folder: Path, output: Path | None, view: View) -> str | None:
    candidate = result.best.candidate
    if candidate is None or result.best.number == 0 or not words.gained(result.speedup):
        return None
    kept = (folder / BEST).with_suffix(suffix(html.read(folder).task))
    put(kept, candidate.source)
    if output is None:
        return str(kept)
    try:
        put(output, candidate.source)
    except OSError as error:
        view.note(f"warning: cannot write {output}: {error.strerror}")
        return str(kept)
    return str(output)


def _salvage(folder: Path, view: View) -> None:
    """After an error: the report of what was recorded, if anything beyond the baseline was."""
    try:
        if len(html.read(folder).nodes) > 1:
            view.note(f"what was recorded is kept: {html.write(folder)}; go on with: kernelsearch resume {folder}")
    except (KernelSearchError, OSError):
        return  # the error that brought us here is the one to show


@contextmanager
def gentle(stop: threading.Event, note: Callable[[str], None], hint: str) -> Iterator[None]:
    """Turns the first Ctrl-C or SIGTERM into `stop`, and the second into the end of the process with `hint` as its last words."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            print(f"\nquit; {hint}", file=sys.stderr, flush=True)
            os._exit(128 + number)  # not SystemExit: that would wait for the attempts under way
        stop.set()
        note("stopping: no new attempts; the journal is kept and the report follows (again to quit at once)")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
