"""KernelBench's levels: a checkout, any folder of its problems, or its parquet files, as tasks that are read one at a time.

A folder is recognised by one file at least that both is named `ID_Name.py` and holds a problem; every file of such a name is listed then,
so that a broken one is told by its name and not passed over.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kernelsearch.errors import UsageError
from kernelsearch.formats import parquet
from kernelsearch.formats.kernelbench.problem import Problem, as_task, load
from kernelsearch.formats.listed import Listed, distinct, plain

_FILE = re.compile(r"(\d+)_\w.*\.py")
_LEVEL = re.compile(r"level_?\d+")
_COLUMNS = {"code": str, "level": int, "name": str, "problem_id": int}
_NAMES = {"Model", "get_inputs", "get_init_inputs"}


def is_problem(source: str) -> bool:
    """Whether a Python file defines what a problem has. One that is no Python is none."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)} >= _NAMES


def is_checkout(folder: Path) -> bool:
    """Whether there are problems in `folder`, in its levels, or in those of `folder/KernelBench`."""
    return any(is_problem(file.read_text(encoding="utf-8", errors="replace")) for file in _files(folder))


def listed(folder: Path) -> tuple[Listed, ...]:
    """The problems below `folder`, by level and number. Raises `UsageError` where two have one name."""
    files = sorted(_files(folder), key=lambda file: (file.parent, int(file.name.partition("_")[0]), file.name))
    return distinct(map(listed_problem, files), str(folder))


def listed_problem(file: Path) -> Listed:
    """One problem by itself."""
    return Listed(name=file.stem, suite=_suite(file.resolve().parent.name), read=partial(load, file))


def listed_parquet(file: Path) -> tuple[Listed, ...]:
    """The problems in a parquet file of the data set. Raises `UsageError` for other tables, `ToolMissing` without pyarrow."""
    rows = parquet.rows(file, tuple(_COLUMNS))
    problems = [_problem(row, f"{file}: row {number}") for number, row in enumerate(rows)]
    return distinct((Listed(name=problem.name, suite=problem.suite, read=partial(as_task, problem)) for problem in problems), str(file))


def _files(folder: Path) -> Iterator[Path]:
    """Files that are named as problems are, not yet looked into."""
    base = folder / "KernelBench" if (folder / "KernelBench").is_dir() else folder
    levels = (below for below in sorted(base.iterdir()) if below.is_dir() and _LEVEL.fullmatch(below.name)) if base.is_dir() else ()
    for place in (base, *levels):
        yield from (file for file in place.glob("*.py") if _FILE.fullmatch(file.name) and file.is_file())


def _suite(level: str) -> str:
    return f"kernelbench-{level}" if _LEVEL.fullmatch(level) else "user"


def _problem(row: dict[str, Any], where: str) -> Problem:
    for column, kind in _COLUMNS.items():
        if not isinstance(row[column], kind):
            raise UsageError(f"{where}: {column} is {row[column]!r}, not of type {kind.__name__}")
    name = row["name"].removesuffix(".py")
    if not name.partition("_")[0].isdigit():  # its scripts find a problem by the number before its name
        name = f"{row['problem_id']}_{name}"
    return Problem(name=plain(name), suite=f"kernelbench-level{row['level']}", source=row["code"], where=f"{where} ({name})")
