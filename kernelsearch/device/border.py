"""What crosses a box's border on every device alike: a launch plan in numbers, files under names of the box's own, how a box died."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelsearch.device.base import Call
from kernelsearch.errors import UsageError
from kernelsearch.model import Expression, Launch, LaunchPlan
from kernelsearch.sandbox.base import BoxResult

MAX_DIMENSION = 2**31 - 1  # of a grid in x (CUDA C++ Programming Guide); what else is too large, the device refuses
_INT32 = range(-(2**31), 2**31)


def in_numbers(plan: LaunchPlan, call: Call) -> dict[str, Any]:
    """`plan` for the sizes of `call`. Raises `UsageError`.

    Arguments are {"arg": index} or {"scratch": index}; an expression is {"dtype", "value"}: i32, i64 where that is too small, or f32
    with a fraction.
    """
    scratch = [buffer.extent.integer(call.values) * buffer.dtype.size for buffer in plan.scratch]
    if any(nbytes < 1 for nbytes in scratch):
        raise UsageError("a scratch buffer is empty")
    names: dict[str, dict[str, Any]] = {buffer.name: {"scratch": index} for index, buffer in enumerate(plan.scratch)}
    names.update((arg.name, {"arg": index}) for index, arg in enumerate(call.args))
    return {"scratch": scratch, "launches": [_launch(launch, names, call.values) for launch in plan.launches]}


def place(file: Path, target: Path) -> None:
    """The same contents under another name, readable in the box: linked where the file system allows, copied elsewhere."""
    try:
        os.link(file, target)
    except OSError:  # another file system, or another owner's file
        shutil.copyfile(file, target)
    if (mode := target.stat().st_mode & 0o777) & 0o444 != 0o444:
        target.chmod(mode | 0o444)


def died(end: BoxResult) -> str:
    """How a process ended that should have left a result, in words."""
    if end.returncode < 0:
        number = -end.returncode
        known = number in set(signal.Signals)  # all but most of the real-time signals
        return f"the process died of {signal.Signals(number).name if known else f'signal {number}'}"
    last = end.stderr.strip().splitlines()
    return f"the process ended without a result, exit code {end.returncode}" + (f": {last[-1][:300]}" if last else "")


def _launch(launch: Launch, names: Mapping[str, dict[str, Any]], values: Mapping[str, int | float]) -> dict[str, Any]:
    shared = launch.shared.integer(values)
    if not 0 <= shared <= MAX_DIMENSION:
        raise UsageError(f"{launch.kernel} cannot be launched with {shared} bytes of shared memory")
    return {
        "kernel": launch.kernel,
        "grid": _dimensions(launch.kernel, "grid", launch.grid, values),
        "block": _dimensions(launch.kernel, "block", launch.block, values),
        "shared": shared,
        "args": [names.get(text) or _number(Expression(text).evaluate(values)) for text in launch.args],
    }


def _dimensions(kernel: str, what: str, extents: Sequence[Expression], values: Mapping[str, int | float]) -> list[int]:
    found = [extent.integer(values) for extent in extents]
    if not all(1 <= extent <= MAX_DIMENSION for extent in found):
        raise UsageError(f"{kernel} cannot be launched with a {what} of {tuple(found)}")
    return found


def _number(value: int | float) -> dict[str, Any]:
    if isinstance(value, float):
        return {"dtype": "f32", "value": value}
    return {"dtype": "i32" if value in _INT32 else "i64", "value": value}
