"""The box that a runner is started in: its command, what it may read, and which folders of Python it gets."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from kernelsearch import contents, paths, wire
from kernelsearch.device.pool import GpuLock
from kernelsearch.errors import ToolMissing
from kernelsearch.sandbox.base import Box, Limits

_SHARED = (Path(wire.__file__), Path(contents.__file__))  # the two of our files that a runner loads
_LASTING = Limits(seconds=24 * 3600.0)  # a warm box waits; jobs have time limits of their own


def runner_command(backend: str, folder: Path, lock: GpuLock) -> tuple[str, ...]:
    """The runner in the box whose folders lie in `folder`."""
    script = paths.data("sandbox") / "runner" / "gpu.py"
    shared = [str(path) for path in _SHARED]
    return (sys.executable, str(script), backend, str(folder / "in"), str(folder / "out"), str(lock.quiet), *shared)


def runner_box(command: tuple[str, ...], folder: Path, lock: GpuLock, libraries: Sequence[Path], more: Sequence[Path] = ()) -> Box:
    """A box for `command` that sees its own folders, the runner, and the folders of `libraries` and `more` to read."""
    prefixes = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent)
    return Box(
        command=command,
        readable=(folder / "in", lock.quiet, paths.data("sandbox") / "runner", *_SHARED, *prefixes, *libraries, *more),
        writable=(folder / "out",),
        channel=True,
        env={
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": ":".join(str(path) for path in libraries),
            "LC_ALL": "C",
            "USER": "box",  # torch asks for the user's name, and the box's user has none
        },
        limits=_LASTING,
    )


def libraries(modules: Sequence[str], extra: str) -> tuple[Path, ...]:
    """The folders that Python finds `modules` in: a box gets these, and not all of our own search path. Raises `ToolMissing`."""
    folders = []
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ToolMissing(f"{module} is not installed, and the device needs it: pip install 'kernelsearch[{extra}]'")
        folders.append(Path(spec.origin).parent.parent)
    return tuple(dict.fromkeys(folders))
