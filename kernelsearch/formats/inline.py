"""A CUDA launcher inside Python of another format: compiled by `load_inline`, called with pointers and whole numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kernelsearch.errors import UsageError
from kernelsearch.formats.kernelbench.problem import loaded_launcher
from kernelsearch.model import Arg, Candidate, Expression, Task

_NAME = re.compile(r"[A-Za-z_]\w*")


def launcher_module(candidate: Candidate, entry: str) -> str:
    """Statements that define `_launcher`, whose `run` takes a list of pointers and numbers."""
    return loaded_launcher(candidate, entry)


def value_of(task: Task, wanted: Arg | Expression, given: Mapping[str, str]) -> str:
    """A size or extent as a Python expression over tensors and numbers, which `given` has by name.

    Raises `UsageError` for a float, which cannot be passed as a whole number, and for what no tensor's shape tells.
    """
    if isinstance(wanted, Arg) and wanted.dtype.is_float:
        raise UsageError(f"task {task.name!r}: {wanted.name} is a float, which a launcher exported as Python is not given")
    text = wanted.name if isinstance(wanted, Arg) else wanted.text
    known = dict(given)
    for arg in task.args:
        for axis, extent in enumerate(arg.shape if arg.is_tensor and arg.name in given else ()):
            if _NAME.fullmatch(extent.text) and not (arg.is_written and not arg.is_read and given[arg.name] == arg.name):
                known.setdefault(extent.text, f"{given[arg.name]}.shape[{axis}]")
    if unknown := [name for name in _NAME.findall(text) if name not in known]:
        raise UsageError(f"task {task.name!r}: the shape of no tensor tells {unknown[0]}")
    return _NAME.sub(lambda match: known[match[0]], text)
