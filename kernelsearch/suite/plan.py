"""What a suite is to run: tasks x seeds x settings, in an order that never changes, so that shards and resumed suites agree on it.

Seeds come first in the order: with the first of them done there is a row for every task, whatever happens then. A shard takes whole
tasks: seeds and settings of one task are compared with each other, so they belong on one device, beside one set of yardsticks.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelsearch.errors import UsageError
from kernelsearch.model import RunSpec

Key = tuple[str, str, int, str]  # as `Row.key`


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A task of a suite: how it is found again, and what it was when the suite began. `item` is which one of several that `ref` holds."""

    ref: str
    item: str = ""
    suite: str
    name: str
    digest: str

    @property
    def label(self) -> str:
        return f"{self.suite}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What was named and cannot be run; `name` is what it would probably be called, empty for what leads to no task at all."""

    ref: str
    why: str
    name: str = ""
    suite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to search; `spec` has no task yet, and its seed is replaced. The name is empty where there is only one way."""

    name: str = ""
    spec: RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One search of a suite. `folder` is the name of its run folder inside the suite's, `label` what a person calls it."""

    entry: Entry
    seed: int
    setting: Setting
    folder: str
    label: str

    @property
    def key(self) -> Key:
        return (self.entry.suite, self.entry.name, self.seed, self.setting.name)

    def spec(self, device: str) -> RunSpec:
        """What `search.optimize` is given on `device`; the setting's own stands where it is empty."""
        chosen = self.setting.spec
        return replace(chosen, task=self.entry.digest, task_name=self.entry.name, seed=self.seed, device=device or chosen.device)


def jobs(entries: Sequence[Entry], seeds: Sequence[int], settings: Sequence[Setting]) -> tuple[Job, ...]:
    """All searches, in order."""
    several, found, taken = len(seeds) > 1, [], set[str]()
    for seed in seeds:
        for entry in entries:
            for setting in settings:
                parts = [entry.suite, entry.name, *([f"s{seed}"] if several else []), *([setting.name] if setting.name else [])]
                folder = _free(re.sub(r"[^\w.+-]", "-", "-".join(parts)), taken)
                label = " ".join([entry.label, *([setting.name] if setting.name else []), *([f"seed {seed}"] if several else [])])
                found.append(Job(entry=entry, seed=seed, setting=setting, folder=folder, label=label))
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    """`name`, with a number where two differ only in what a folder's name cannot hold."""
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free.lower())
    return free


def chosen(
    entries: Sequence[Entry], only: Sequence[str], skip: Sequence[str], others: Sequence[str] = (), why: str = ""
) -> tuple[Entry, ...]:
    """Those whose name, or suite/name, fits one of `only`, where there are any, and none of `skip`. Raises `UsageError` if none is left.

    A pattern that fits nothing is a mistake, unless it fits one of `others`: what is there and cannot be read, for the reason `why`.
    """
    for pattern in (*only, *skip):
        if not any(wanted((entry.name, entry.label), (pattern,), ()) for entry in entries) and not fnmatch.filter(others, pattern):
            known = [entry.label for entry in entries[:8]] + (["…"] if len(entries) > 8 else [])
            raise UsageError(f"no task fits {pattern!r}; they are called {', '.join(known)}")
    kept = [e for e in entries if wanted((e.name, e.label), only, skip)]
    if not kept:
        raise UsageError(f"--only and --skip leave no task that can be read: {why}" if why else "--only and --skip leave no task")
    return tuple(kept)


def concerned(problems: Sequence[Problem], only: Sequence[str], skip: Sequence[str]) -> tuple[Problem, ...]:
    """The problems with what was asked for: all without a name, and those that the filters leave."""
    return tuple(problem for problem in problems if not problem.name or wanted((problem.name,), only, skip))


def wanted(names: Sequence[str], only: Sequence[str], skip: Sequence[str]) -> bool:
    """Whether what has these names fits one of `only`, where there are any, and none of `skip`."""

    def fits(patterns: Sequence[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)

    return (not only or fits(only)) and not fits(skip)


def shard(entries: Sequence[Entry], number: int, of: int) -> tuple[Entry, ...]:
    """The tasks of shard `number`, from 1, of `of`. Every task is in one of them."""
    kept = tuple(entries[number - 1 :: of])
    if not kept:
        raise UsageError(f"shard {number} of {of} has no task, as there {'is' if len(entries) == 1 else 'are'} only {len(entries)}")
    return kept


def distinct(entries: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """The first of each name, in order of their names, and what is wrong with the others."""
    first: dict[str, Entry] = {}
    problems = []
    for entry in entries:
        if (before := first.setdefault(entry.label, entry)) is not entry and (before.ref, before.item) != (entry.ref, entry.item):
            why = f"a second task called {entry.label}; the first is {before.item or before.ref}. Rename one of them"
            problems.append(Problem(ref=entry.item or entry.ref, name=entry.name, why=why))
    return tuple(first[label] for label in sorted(first)), tuple(problems)
