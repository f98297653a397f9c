"""The tasks that a suite is made of: each read by itself, so that one that is broken is named and does not end the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernelsearch import catalog, digest, formats, paths
from kernelsearch.cli import inputs
from kernelsearch.errors import UsageError
from kernelsearch.model import Task
from kernelsearch.suite import Entry, Problem, is_suite
from kernelsearch.suite.plan import wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A task before it is read. `ref` and `item` find it again, from whichever folder that is asked."""

    ref: str
    item: str = ""
    read: Callable[[], Task]


class Gathered:
    """What was read, and what could not be."""

    def __init__(
        self, refs: Sequence[str], proposer: str, launchers: Path | None = None, *, only: Sequence[str] = (), skip: Sequence[str] = ()
    ) -> None:
        """`launchers`: a folder of CUDA sources; of problems of others only those are taken that one of them answers.

        What `only` and `skip` leave out by its name is not read, where that is known before: a problem of others may take minutes.
        Raises `UsageError` where that folder is not there, and `ToolMissing` where a format needs a library that is not there.
        """
        if launchers is not None and not launchers.is_dir():
            raise UsageError(f"--launchers {launchers}: no such folder")
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self.unread: list[str] = []
        self.launchers = launchers
        self._tasks: dict[tuple[str, str], Task] = {}
        for ref in refs:
            for member in self._members(ref):
                name = member.item.rpartition("/")[2]
                if name and not wanted((name, member.item), only, skip):
                    self.unread += [name, member.item]
                else:
                    self._read(member, proposer)

    def task(self, entry: Entry) -> Task:
        """Raises `UsageError` where it is not there any more."""
        known = self._tasks.get((entry.ref, entry.item))
        return again(entry, self.launchers) if known is None else known

    def _members(self, ref: str) -> list[_Member]:
        try:
            return list(_members(ref, self.launchers))
        except UsageError as error:
            self.problems.append(Problem(ref=ref, why=str(error)))
            return []

    def _read(self, member: _Member, proposer: str) -> None:
        try:
            task = member.read()
            inputs.proposable(task, proposer)
        except UsageError as error:
            suite = member.item.rpartition("/")[0]
            self.problems.append(Problem(ref=member.item or member.ref, why=str(error), name=_name(member), suite=suite))
            return
        self._tasks[member.ref, member.item] = task
        self.entries.append(Entry(ref=member.ref, item=member.item, suite=task.suite, name=task.name, digest=digest.task(task)))


def again(entry: Entry, launchers: Path | None) -> Task:
    """The task of `entry`, read anew. Raises `UsageError` where it is not there."""
    member = next((member for member in _members(entry.ref, launchers) if member.item == entry.item), None)
    if member is None:
        raise UsageError(f"{entry.ref} has no {entry.item} any more")
    return member.read()


def _members(ref: str, launchers: Path | None) -> Iterator[_Member]:
    path = Path(ref)
    if is_suite(path):
        raise UsageError(f"{ref} is what a suite left, and not a suite; to go on with it: kernelsearch bench --resume {ref}")
    if formats.recognised(path) is not None:
        listed = inputs.listed(ref)
        for item in listed if launchers is None else inputs.answered(listed, launchers):
            yield _Member(ref=str(path.resolve()), item=f"{item.suite}/{item.name}", read=item.read)
        return
    files = catalog.task_files(ref)
    for file in files or ():
        yield _Member(ref=_lasting(file), read=partial(catalog.task, str(file)))
    if files is None:
        yield _Member(ref=str(path.resolve()) if path.exists() else ref, read=partial(catalog.task, ref))


def _name(member: _Member) -> str:
    """What a task that cannot be read is probably called."""
    path = Path(member.item or member.ref)
    if not member.item and not path.exists():
        return ""
    return path.parent.name if path.name == catalog.TASK_FILE else path.name.removesuffix(".task.toml").removesuffix(inputs.PROBLEM)


def _lasting(file: Path) -> str:
    """A name that finds a task file again: of our own tasks the one of the catalogue, wherever we are installed."""
    shipped = paths.data("tasks").resolve()
    whole = file.resolve()
    return f"{whole.parent.parent.name}/{whole.parent.name}" if shipped in whole.parents else str(whole)
