"""Reading what a box left behind, which may be anything but what was asked for: a link to a secret, a pipe that never ends."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_left(path: Path, limit: int) -> bytes | None:
    """The contents of a regular file of at most `limit` bytes; None for anything else, or nothing. Follows no link at `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)
