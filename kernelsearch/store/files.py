"""Files that replace others: written whole or not at all, so that a full disk leaves what was there before."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, content: str | bytes) -> None:
    """Make `content`, text as UTF-8, that of `path`. Raises `OSError` that names `path`; what was there is then untouched."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)  # noqa: PTH105 - atomic on one file system
    except OSError as error:
        if part.exists():
            part.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
