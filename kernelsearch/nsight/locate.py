"""Finds Nsight Compute: the real program, not a wrapper, so that a box can be shown the folder it needs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

_FOLDERS = ("/opt/nvidia/nsight-compute", "/usr/local/cuda", "/usr/local")


def find_ncu() -> Path | None:
    """The newest `ncu` of an Nsight Compute folder, else the one on PATH; None when there is none."""
    folders = [Path(name) for name in _FOLDERS]
    if home := os.environ.get("CUDA_HOME"):
        folders.append(Path(home))
    found = newest(
        path
        for folder in folders
        for pattern in ("*/ncu", "nsight-compute*/ncu", "cuda*/nsight-compute*/ncu")
        for path in folder.glob(pattern)
    )
    if found is not None:
        return found
    on_path = shutil.which("ncu")
    return None if on_path is None else Path(on_path).resolve()


def newest(candidates: Iterable[Path]) -> Path | None:
    """The executable file with the highest version number in its folders' names."""
    usable = [path.resolve() for path in candidates if path.is_file() and os.access(path, os.X_OK) and re.search(r"\d", str(path.parent))]
    return max(usable, key=_version, default=None)


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", path.parent.name))
