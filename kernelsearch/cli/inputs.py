"""From what a user names on the command line to a task: a `.cu` file, a PyTorch problem, a task file or folder, or a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kernelsearch import catalog, formats
from kernelsearch.draft import Draft, draft
from kernelsearch.errors import BaselineFailed, UsageError
from kernelsearch.model import Form, Task
from kernelsearch.store.files import put
from kernelsearch.workload import reference_name

_BUILT_AS = re.compile(r"\bcandidate\.(cu|py)\b")  # what the toolchains call every source
SOURCES = (".cu", ".cuh")
PROBLEM = ".py"  # a PyTorch problem in KernelBench's form, or a candidate for one
ON_THIS_CPU = "no GPU here: PyTorch runs on this machine's CPU, whose times are measured and say nothing of a GPU (--device host)"
ELEMENTS = 1 << 23  # of the largest tensor in a drafted task's timed case: well past L2, and seconds on the emulated device


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`source` is the `.cu` or `.py` that was named, if one was; `notes` say what was done on the way."""

    task: Task
    source: Path | None = None
    notes: tuple[str, ...] = ()


def subject(ref: str, against: str | None = None) -> Subject:
    """The task behind `ref`. A bare `.cu` takes the task file beside it; where there is none, one is drafted and written.

    `against`: a problem of others, such as a PyTorch one, that the `.cu` called `ref` is a launcher for.
    """
    path = Path(ref)
    if against is not None:
        if path.suffix not in SOURCES or formats.recognised(Path(against)) is None:
            raise UsageError(
                f"--task is for a CUDA source that answers a PyTorch problem ({PROBLEM}) or another benchmark's; given: {ref} and {against}"
            )
        return Subject(task=task(against, launcher=path), source=path)
    if path.suffix not in SOURCES:
        known = formats.recognised(path) is not None
        if not known and path.is_file() and path.suffix != ".toml":
            kinds = f"neither a CUDA source ({' or '.join(SOURCES)}) nor a task file (.toml) nor a problem in a format that is read here"
            raise UsageError(f"{path}: {kinds}; rename it if it is one")
        return Subject(task=task(ref), source=path if path.suffix == PROBLEM else None)
    source = catalog.read(path)
    beside = task_file(path)
    if beside.is_file():
        return Subject(task=_same_source(catalog.task(str(beside)), source, path, beside), source=path)
    drafted = draft(source, path.name, elements=ELEMENTS)
    try:
        put(beside, drafted.toml)
        written = f"drafted {beside}: correct there what was assumed"
    except OSError as error:
        written = f"could not write {beside} ({error.strerror}); going on with the draft"
    if drafted.task is None:
        raise UsageError(
            f"{path} does not say all that a search must know: {'; '.join(drafted.questions)}. {_where(drafted, source, beside)}"
        )
    return Subject(task=drafted.task, source=path, notes=(written,))


def task(ref: str, *, launcher: Path | None = None) -> Task:
    """The task called `ref`: in a format of others where `formats` recognises one, else one of the catalogue's kinds.

    `launcher`: a CUDA source that is to answer a problem of others; the task then has that form, and the source for its baseline.
    """
    found = formats.recognised(Path(ref))
    if found is None:
        return catalog.task(ref)
    if found.load is None:
        raise UsageError(f"{ref} holds many tasks ({found.format}): name one of its files, or give all of them to `kernelsearch bench`")
    return found.load(launcher)


def listed(ref: str) -> tuple[formats.Listed, ...]:
    """What there is in a suite, folder or file, not yet read: reading a problem of others takes long and may fail.

    Raises `UsageError` where there is nothing, and for our own tasks where one of them is wrong.
    """
    found = formats.recognised(Path(ref))
    if found is not None:
        return found.listed()
    return tuple(formats.Listed(name=own.name, suite=own.suite, read=partial(_same, own)) for own in catalog.tasks(ref))


def answered(items: Iterable[formats.Listed], folder: Path) -> tuple[formats.Listed, ...]:
    """Those of `items` that `folder` has a launcher for, read with it: `NAME.cu`, or the number before the name as in `23.cu`.

    Raises `UsageError` where there is none at all.
    """
    found = []
    for item in items:
        names = (item.name, item.name.partition("_")[0])
        source = next((file for name in names for suffix in SOURCES if (file := folder / f"{name}{suffix}").is_file()), None)
        if source is not None:
            found.append(replace(item, read=partial(item.read, launcher=source)))
    if not found:
        raise UsageError(f"{folder}: no launcher in it is called as a problem, such as 23_Softmax.cu or 23.cu")
    return tuple(found)


def _same(task: Task, launcher: Path | None = None) -> Task:
    if launcher is not None:
        raise UsageError(f"{task.suite}/{task.name} has a kernel of its own, so {launcher} cannot answer it: judge it with `evaluate`")
    return task


def tasks(ref: str) -> tuple[Task, ...]:
    """All tasks of a suite, folder or file."""
    return tuple(item.read() for item in listed(ref))


def device_for(task: Task, device: str) -> tuple[str, tuple[str, ...]]:
    """The device to open for `device`, and what is to be said of it: without a GPU PyTorch runs on the CPU, as nothing emulates it."""
    if device != "auto" or task.form is not Form.TORCH:
        return device, ()
    from kernelsearch.device.inventory import detect

    return ("auto", ()) if detect() else ("host", (ON_THIS_CPU,))


def proposable(task: Task, proposer: str) -> None:
    """Raise `UsageError` where `proposer` does not know the language of the task's sources."""
    if proposer == "rules" and task.form is Form.TORCH:
        raise UsageError(
            f"the rules know CUDA sources alone, and the candidates of {task.name} are PyTorch modules: name a model with "
            f"--llm PROVIDER:MODEL, write a CUDA launcher for it (`bench --launchers`, `optimize MINE.cu --task`), or judge a module "
            f"of your own with `kernelsearch evaluate`"
        )


def _where(drafted: Draft, source: str, beside: Path) -> str:
    if not beside.is_file():
        return f"{beside} cannot be written, so copy the kernel to a folder of your own first"
    return f"Answer {'that in' if drafted.source == source else 'there, and what is open in'} {beside}, then run this again"


@contextmanager
def named(subject: Subject) -> Iterator[None]:
    """Makes complaints about the baseline name the user's own file, whose lines they count; the reference's file is in the task file."""
    if subject.source is None:
        yield
        return
    try:
        yield
    except BaselineFailed as error:
        raise BaselineFailed(_BUILT_AS.sub(lambda match: str(subject.source), str(error))) from error
    except UsageError as error:
        raise UsageError(str(error).replace(reference_name(subject.task), f"the reference of {subject.task.name}")) from error


def task_file(source: Path) -> Path:
    """Where the task of a bare kernel lies: `softmax.cu` has `softmax.task.toml` beside it."""
    return source.with_suffix(".task.toml")


def _same_source(task: Task, source: str, path: Path, beside: Path) -> Task:
    if task.baseline != source:
        raise UsageError(f"{beside} describes another source than {path}; make its `source` name that file, or remove it to draft anew")
    return task
