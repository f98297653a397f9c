"""Finds compute-sanitizer: the real program, not a wrapper, so that a box can be shown the one folder that it needs.

The program starts its target through TreeLauncherSubreaper, which must lie beside it. A toolkit has both in the folder
`compute-sanitizer`, and a script in `bin` that calls the former. The wheel nvidia-cuda-sanitizer-api has the program without its
helper, so that it ends without having started anything: what cannot work is passed over.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_NAME = "compute-sanitizer"
_HELPER = "TreeLauncherSubreaper"


def find() -> Path | None:
    """The first program that is whole: by PATH, CUDA_HOME, CUDA_PATH, /usr/local/cuda, then among NVIDIA's wheels; None without any."""
    for place in _places():
        for path in (place, place.parent.parent / _NAME / _NAME):
            if whole(path):
                return path.resolve()
    return None


def whole(path: Path) -> bool:
    """Whether the program at `path` has beside it what it starts its target with."""
    real = path.resolve()
    return all(file.is_file() and os.access(file, os.X_OK) for file in (real, real.parent / _HELPER))


def _places() -> Iterator[Path]:
    """Where the program or its wrapper may lie."""
    if found := shutil.which(_NAME):
        yield Path(found).resolve()
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if home := os.environ.get(variable):
            yield Path(home) / "bin" / _NAME
    yield Path("/usr/local/cuda/bin") / _NAME
    for folder in _wheels():
        yield folder / _NAME


def _wheels() -> list[Path]:
    """The `bin` folders of NVIDIA's wheels, newest CUDA first."""
    spec = importlib.util.find_spec("nvidia")
    places = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    return sorted((folder for place in places for folder in Path(place).glob("cu[0-9]*/bin")), reverse=True)
