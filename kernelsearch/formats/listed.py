"""A task of a suite before it is read: reading may run a problem, take seconds and fail, and one that fails must not end the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kernelsearch.errors import UsageError
from kernelsearch.model import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a task is called, and how it is read. `read` raises `UsageError` for a broken one, `ToolMissing` without torch.

    A problem of others takes `launcher`, a CUDA source that answers it.
    """

    name: str
    suite: str
    read: Callable[..., Task]


def distinct(found: Iterable[Listed], where: str) -> tuple[Listed, ...]:
    """`found` as it is. Raises `UsageError` where it has nothing, or two of one name."""
    rows = tuple(found)
    if not rows:
        raise UsageError(f"{where}: no problem in it")
    labels = [f"{row.suite}/{row.name}" for row in rows]
    if doubled := sorted({label for label in labels if labels.count(label) > 1}):
        raise UsageError(f"{where}: more than one problem is called {doubled[0]}; remove one of them")
    return rows


def plain(name: str) -> str:
    """`name` as it can be part of a path: runs lie in folders of that name."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "_"
