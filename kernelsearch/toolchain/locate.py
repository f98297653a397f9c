"""Finds nvcc and its companions: CUDA_HOME or CUDA_PATH, then PATH, then /usr/local/cuda, then the wheels of NVIDIA.

The wheels (nvidia-cuda-nvcc and those that pyproject's extra `nvcc` names) share one folder, site-packages/nvidia/cu13, which is laid
out like a toolkit but for `lib` in place of `lib64` or `targets`; nvcc does not look there by itself, hence `library_dirs`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import process
from kernelsearch.errors import ToolMissing

_RELEASE = re.compile(r"release [\d.]+, V([\d.]+)")
_TOP = re.compile(r"^#\$ TOP=(.+)$", re.MULTILINE)
_LIBRARIES = ("lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvcc:
    """A CUDA compiler that answered. `root` is its toolkit; `library_dirs` hold libcudart_static; `readable` is what a box must
    see to run it. `cuobjdump` is None unless nvdisasm, which it calls, lies beside it."""

    path: Path
    version: str
    root: Path
    library_dirs: tuple[Path, ...]
    cuobjdump: Path | None
    readable: tuple[Path, ...]


def find_nvcc() -> Nvcc | None:
    """The first compiler that runs, or None."""
    for path in dict.fromkeys(_candidates()):
        if nvcc := _probe(path):
            return nvcc
    return None


def _candidates() -> Iterator[Path]:
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if home := os.environ.get(variable):
            yield Path(home) / "bin" / "nvcc"
    if found := shutil.which("nvcc"):
        yield Path(found)
    yield Path("/usr/local/cuda/bin/nvcc")
    for folder in _wheels():
        yield folder / "nvcc"


def _wheels() -> list[Path]:
    """The `bin` folders of NVIDIA's wheels, newest CUDA first."""
    spec = importlib.util.find_spec("nvidia")
    places = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    return sorted((folder for place in places for folder in Path(place).glob("cu[0-9]*/bin")), reverse=True)


def _probe(path: Path) -> Nvcc | None:
    """What is behind `path`, which may be a wrapper: nvcc itself tells where its toolkit is."""
    try:
        version = process.run([str(path), "--version"], timeout_s=30)
        plan = process.run([str(path), "--dryrun", "-x", "cu", "-E", "/dev/null"], timeout_s=30)
    except ToolMissing:
        return None
    release, top = _RELEASE.search(version.stdout), _TOP.search(plan.stdout + plan.stderr)
    if release is None or top is None:
        return None
    root = Path(top[1]).resolve()
    tools = _disassembler(root)
    return Nvcc(
        path=root / "bin" / "nvcc",
        version=release[1],
        root=root,
        library_dirs=tuple(root / name for name in _LIBRARIES if (root / name / "libcudart_static.a").is_file()),
        cuobjdump=tools,
        readable=tuple(dict.fromkeys([root, *([tools.parent] if tools else [])])),
    )


def _disassembler(root: Path) -> Path | None:
    on_path = [Path(found).resolve().parent] if (found := shutil.which("cuobjdump")) else []
    for folder in (root / "bin", *on_path, *_wheels()):
        if os.access(folder / "cuobjdump", os.X_OK) and os.access(folder / "nvdisasm", os.X_OK):
            return folder / "cuobjdump"
    return None
