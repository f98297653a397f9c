"""Which files an agent may name: those that really lie below the root, whatever links and dots say.

A task file names further files, which our commands read, so those are held to the same. Who may write below the root could change a
file between this look and its use; against that only the rights of the server's user help.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch import catalog
from kernelsearch.errors import UsageError

_CATALOGUE = re.compile(r"[\w-]+(/[\w-]+)?")
_RUN = re.compile(r"\w[\w.-]{0,79}")
RUNS = "runs"  # below the root: what searches leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """`path` is a real path."""

    path: Path

    def file(self, given: str) -> Path:
        """The real path behind `given`, which is absolute or below the root. Raises `UsageError` for what lies elsewhere."""
        if not given or "\0" in given:
            raise UsageError("an empty path, or one with a null byte; name a file below the root")
        real = Path(os.path.realpath(self.path / given))
        if not real.is_relative_to(self.path):
            raise UsageError(f"{given} lies outside the root {self.path}; copy it below the root, or start the server with another --root")
        return real

    def existing(self, given: str) -> Path:
        """The same of a file or folder that is there."""
        real = self.file(given)
        if not real.exists():
            raise UsageError(f"{given}: no such file or folder below {self.path}")
        return real

    def kernel(self, given: str) -> Path:
        """A source to judge, and everything that its task file beside it names."""
        real = self.existing(given)
        if real.suffix not in (".cu", ".cuh", ".py") or not real.is_file():
            raise UsageError(f"{given}: a kernel is a .cu file, or a .py with a ModelNew; a task goes in `task`")
        self._look_at_task(real.with_suffix(".task.toml"))
        return real

    def task(self, given: str) -> str:
        """A task as our commands take it: a path below the root, or a name of the catalogue."""
        if not (self.path / given).exists() and _CATALOGUE.fullmatch(given):
            return given
        real = self.existing(given)
        for file in [real] if real.is_file() else [real / catalog.TASK_FILE, *real.glob("*.task.toml")]:
            self._look_at_task(file if file.suffix == ".toml" else file.with_suffix(".task.toml"))
        return str(real)

    def run(self, given: str) -> Path:
        """A run folder: by its name below `runs/`, or by its path."""
        named = self.path / RUNS / given
        return self.file(str(named) if _RUN.fullmatch(given) and not (self.path / given / "run.json").exists() else given)

    def new_run(self, name: str) -> Path:
        """The folder of a new run. Raises `UsageError` where the name is taken, or is none."""
        if not _RUN.fullmatch(name):
            raise UsageError(f"name {name!r}: letters, digits, dots, dashes and underscores only, 80 at most")
        folder = self.file(f"{RUNS}/{name}")
        if any(os.path.lexists(folder.with_name(f"{name}{end}")) for end in ("", ".log", ".search.json")):
            raise UsageError(f"there is a search called {name!r} already; choose another name, or watch that one")
        return folder

    def inside(self, path: Path | str) -> str:
        """A path as an agent is told it: below the root."""
        return os.path.relpath(path, self.path)

    def _look_at_task(self, file: Path) -> None:
        if not (file.exists() or file.is_symlink()):
            return
        self.file(str(file))
        notes = file.parent / "notes.md"
        for named in (*_named(file), *(["notes.md"] if notes.exists() else [])):
            self.file(str(file.parent / named))


def _named(file: Path) -> Iterator[str]:
    """The files that a task file names. What is no task file is left to the command that reads it, which says what is wrong."""
    try:
        table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    source = table.get("source")
    if isinstance(source, str):
        yield source
    for section in ("reference", "inputs", "yardstick"):
        inner = table.get(section)
        python = inner.get("python") if isinstance(inner, dict) else None
        if isinstance(python, str):
            yield python.rpartition(":")[0]
