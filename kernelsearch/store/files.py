"""Files that are written whole or not at all, so that a full disk leaves what was there before."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from kernelsearch.errors import UsageError


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


def check_new(path: Path, go_on: str) -> None:
    """Raises `UsageError` when there is something at `path` already, with the command to `go_on` with it."""
    if path.exists():
        raise UsageError(f"{path} is there already; go on with it by `{go_on} {path}`, or choose another folder with --out")


def new_folder(path: Path, go_on: str) -> None:
    """Make a folder of ours. Raises `UsageError` when there is something at `path` already, as `check_new` does."""
    check_new(path, go_on)
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"cannot create {path}: {error.strerror}; choose another folder with --out") from error


def write_once(file: Path, data: bytes) -> None:
    """Write `file` whole and read-only; of several writers of the same contents the last wins. Raises `UsageError` on a full disk."""
    draft = file.with_name(f".{uuid.uuid4().hex}")
    try:
        draft.write_bytes(data)
        draft.chmod(0o444)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{file.parent}: cannot keep {len(data)} bytes of inputs or expected values there: {error.strerror}") from error
