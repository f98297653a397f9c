"""The folder of a spool, as files: what appears in it appears whole, once, and only under names that we would give.

Readers follow no links, open nothing that is not a plain file, and take no name from the content of one. Where a disk has no hard links,
a file is created exclusively and filled in place; one that a killed writer left torn is then set aside as any other.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch.errors import UsageError

_NAME = re.compile(r"([0-9a-f]{32})\.json")
_PARTS = ("requests", "claims", "results", "workers", "worked", "late", "aside")
_MOST_BYTES = 64 << 20  # of one file: sources, samples and counters are far below
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
SETTLED_S = 2.0  # a file that stays as it is for so long is not being copied any more


@dataclass(slots=True)
class Folder:
    """The parts of a spool at `path`, which are made where they are not there; without `make` there must be one."""

    path: Path
    make: bool = True
    settled_s: float = SETTLED_S
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.make and not (self.path / "requests").is_dir():
            raise UsageError(f"{self.path} is no spool: it has no requests/; a search with --worker spool:{self.path} makes one")
        try:
            if not self.path.exists():
                self.path.mkdir(mode=0o700, parents=True)  # requests hold what the contents of inputs follow from
            for part in _PARTS if self.make else ():
                (self.path / part).mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot use {self.path} as a spool: {error.strerror}") from error

    def file(self, part: str, name: str) -> Path:
        """Where the request or result called `name` lies."""
        return self.path / part / f"{name}.json"

    def names(self, part: str) -> dict[str, float]:
        """Requests or results, those that were written first first. Files of other names are left to `foreign`."""
        found = {}
        for entry in _entries(self.path / part):
            if match := _NAME.fullmatch(entry.name):
                try:
                    found[match[1]] = entry.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def known(self, part: str) -> set[str]:
        """As `names`, in no order and without a look at each."""
        return {match[1] for path in self.paths(part) if (match := _NAME.fullmatch(path.name))}

    def paths(self, part: str) -> list[Path]:
        """All that is there. Hidden files do not count: they are drafts, ours or those of a tool that copies."""
        return [Path(entry.path) for entry in _entries(self.path / part)]

    def foreign(self, part: str) -> list[Path]:
        """What has a name that no request and no result has."""
        return [path for path in self.paths(part) if not _NAME.fullmatch(path.name)]

    def put_once(self, path: Path, data: bytes) -> bool:
        """Make `data` the content of `path`, whole and on disk; False when there is something already. Raises `OSError` with the path."""
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        try:
            _write(draft, data)
            try:
                os.link(draft, path)
            except FileExistsError:
                return draft.stat().st_nlink > 1  # over NFS a link that was made can be answered as one that was there
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _created(path, data)
            _sync(path.parent)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            draft.unlink(missing_ok=True)
        return True

    def settled(self, path: Path) -> bool:
        """Whether `path` has not changed for a while, as this process saw it: a copy may be under way."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            self._seen.pop(path, None)
            return False
        now, as_it_is = self.clock(), (found.st_size, found.st_mtime_ns)
        before = self._seen.get(path)
        if before is None or before[0] != as_it_is:
            self._seen[path] = (as_it_is, now)
            return False
        return now - before[1] >= self.settled_s

    def set_aside(self, path: Path, why: str) -> str:
        """Move what cannot be used out of the way; a sentence that names it, empty when another process was faster."""
        target = self.path / "aside" / f"{path.parent.name}-{path.name}"
        while target.exists() or target.is_symlink():
            target = target.with_name(f"{path.parent.name}-{path.name}.{uuid.uuid4().hex[:6]}")
        try:
            path.rename(target)
        except FileNotFoundError:
            return ""
        self._seen.pop(path, None)
        return f"{path} was moved to {target}: {why}"


def read(path: Path) -> bytes | None:
    """The content of a plain file; None when there is none. Raises `UsageError` for links, folders, pipes and what is far too large."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"it cannot be opened ({error.strerror}), or is a link") from error
    try:
        kind = os.fstat(handle)
        if not stat.S_ISREG(kind.st_mode):
            raise UsageError("it is not a plain file")
        if kind.st_size > _MOST_BYTES:
            raise UsageError(f"it has {kind.st_size} bytes")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    # Listing asks a shared disk anew, where looking for one name may be answered from what was known a minute ago.
    with os.scandir(folder) as found:
        return [entry for entry in found if not entry.name.startswith(".")]


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _created(path: Path, data: bytes) -> bool:
    try:
        _write(path, data)
    except FileExistsError:
        return False
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
