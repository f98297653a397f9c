"""Where our data folders and the user's caches lie.

In a checkout `tasks/`, `profiles/`, `sandbox/` and `SKILL.md` are at the top level; in an installed wheel they are inside the package.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_SCRATCH = "kernelsearch-scratch-"
_locks: dict[Path, int] = {}  # descriptors of the scratch folders of this process
_PACKAGE = Path(__file__).resolve().parent


def data(name: str) -> Path:
    """The folder `tasks`, `profiles` or `sandbox`, or the file `SKILL.md`."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.exists() else _PACKAGE.parent / name


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


def new_scratch() -> Path:
    """A new folder under `scratch_root`, for `drop_scratch` to remove. What processes that were killed left there is removed first:
    it is memory.

    An owner holds a lock on its folder until it drops it or ends, however it ends and in whichever container.
    """
    root = scratch_root()
    for left in root.glob(f"{_SCRATCH}*"):
        if (handle := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=root))
        if (handle := _lock(folder)) is not None:
            if folder.is_dir():
                _locks[folder] = handle
                return folder
            os.close(handle)  # another process took it for remains, before it was locked


def drop_scratch(folder: Path) -> None:
    """Remove a scratch folder and let go of its lock, if it is ours."""
    shutil.rmtree(folder, ignore_errors=True)
    if (handle := _locks.pop(folder, None)) is not None:
        os.close(handle)


def _lock(folder: Path) -> int | None:
    """A descriptor that locks `folder` while it is open; None when another has it or owns it, or it is gone."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
    except BlockingIOError:
        pass
    os.close(handle)
    return None
