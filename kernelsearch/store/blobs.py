"""Texts and files of a run, stored once under the digest of their content."""

from __future__ import annotations

from pathlib import Path

from kernelsearch import digest
from kernelsearch.errors import UsageError
from kernelsearch.store.files import put


class Blobs:
    """A folder of files named by content; writing is atomic, so a half-written blob never carries a name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Store `data` and return its digest."""
        name = digest.of_bytes(data)
        path = self._path(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            put(path, data)
        return name

    def get(self, name: str) -> bytes:
        """The content called `name`. Raises `UsageError` when it is missing or is not what was stored."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise UsageError(f"{path} is missing: the run folder is incomplete; copy it again as a whole") from error
        if digest.of_bytes(data) != name:
            raise UsageError(f"{path} was changed after it was written; copy the run folder again")
        return data

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name[2:]
