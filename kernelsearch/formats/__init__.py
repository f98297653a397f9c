"""Tasks in the file formats of others, in and out. What a path holds is told here, once, by its content and not by its name alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernelsearch.formats.listed import Listed
from kernelsearch.model import Task

__all__ = ["Found", "Listed", "recognised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A path in a format of others. `listed` names its tasks without reading them.

    `load` reads the task of one that holds a single task, for a launcher in CUDA where one is given; None where it holds many.
    """

    format: str
    listed: Callable[[], tuple[Listed, ...]]
    load: Callable[[Path | None], Task] | None = None


def recognised(path: Path) -> Found | None:
    """The format that `path` is in; None where it is none of these."""
    return _folder(path) if path.is_dir() else _file(path)


def _folder(path: Path) -> Found | None:
    from kernelsearch.formats import kernelbench

    if kernelbench.is_checkout(path):
        return Found(format="KernelBench", listed=lambda: kernelbench.listed(path))
    return None


def _file(path: Path) -> Found | None:
    from kernelsearch.formats import kernelbench, parquet

    if parquet.is_parquet(path):
        return Found(format="KernelBench (parquet)", listed=lambda: kernelbench.listed_parquet(path))
    if path.suffix == ".py":  # also one that is not there, or is no problem: the reader says so

        def load(launcher: Path | None) -> Task:
            return kernelbench.load(path, launcher=launcher)

        return Found(format="KernelBench problem", listed=lambda: (kernelbench.listed_problem(path),), load=load)
    return None
