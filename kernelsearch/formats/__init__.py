"""Tasks in the file formats of others, in and out. What a path holds is told here, once, by its content and not by its name alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelsearch.formats.listed import Listed
from kernelsearch.model import Task

__all__ = ["Found", "Listed", "recognised"]

_INSIDE = ("task.yml", "task.yaml", "problem-spec.yaml", "problem-spec.yml", "definition.json")  # what stands for the folder it lies in


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
    from kernelsearch.formats import kernelbench, leetgpu, robust

    if kernelbench.is_checkout(path):
        return Found(format="KernelBench", listed=lambda: kernelbench.listed(path))
    if challenges := leetgpu.files(path):
        return _many("LeetGPU", challenges, leetgpu.load, lambda: leetgpu.listed(challenges, str(path)))
    if tasks := robust.folders(path):
        return _many("robust-kbench", tasks, robust.load, lambda: robust.listed(tasks, str(path)))
    return next(filter(None, map(_file, (path / name for name in _INSIDE if (path / name).is_file()))), None)


def _file(path: Path) -> Found | None:
    from kernelsearch.formats import kernelbench, leetgpu, parquet

    if parquet.is_parquet(path):
        return Found(format="KernelBench (parquet)", listed=lambda: kernelbench.listed_parquet(path))
    if path.suffix == ".py":
        if path.is_file() and leetgpu.is_challenge(path.read_text(encoding="utf-8", errors="replace")):
            return _many("LeetGPU", [path], leetgpu.load, lambda: leetgpu.listed([path], str(path)))
        # Also one that is not there, or is no problem: the reader says so.
        return _many("KernelBench problem", [path], kernelbench.load, lambda: (kernelbench.listed_problem(path),))
    return _described(path) if path.is_file() else None


def _described(path: Path) -> Found | None:
    """Problems whose file is a description, in YAML or JSON."""
    if path.suffix in (".yml", ".yaml"):
        from kernelsearch.formats import computeeval, gpumode

        if gpumode.is_problem(path):
            return _many("GPU MODE", [path], gpumode.load, lambda: gpumode.listed(path))
        if computeeval.is_problem(path):
            return _many("ComputeEval", [path], computeeval.load, lambda: computeeval.listed(path))
    if path.suffix == ".json":
        from kernelsearch.formats import flashinfer

        if flashinfer.is_definition(path):
            return _many("FlashInfer Trace", [path], flashinfer.load, lambda: flashinfer.listed(path))
    return None


def _many(name: str, files: Sequence[Path], load: Callable[..., Task], listed: Callable[[], tuple[Listed, ...]]) -> Found:
    """Where there is one file only, it can be loaded as it is."""

    def single(launcher: Path | None) -> Task:
        return load(files[0], launcher=launcher)

    return Found(format=name, listed=listed, load=single if len(files) == 1 else None)
