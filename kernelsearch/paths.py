"""Where our data folders and the user's caches lie.

In a checkout `tasks/`, `profiles/` and `sandbox/` are at the top level; in an installed wheel they are inside the package.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data(folder: str) -> Path:
    """The folder `tasks`, `profiles` or `sandbox`."""
    installed = _PACKAGE / "_data" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def cache() -> Path:
    """Build cache and other things that can be made again: `KERNELSEARCH_CACHE`, or the XDG cache folder."""
    if chosen := os.environ.get("KERNELSEARCH_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kernelsearch"


def scratch_root() -> Path:
    """A folder for short-lived large files: memory-backed where the machine has it."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() and os.access(shm, os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))
