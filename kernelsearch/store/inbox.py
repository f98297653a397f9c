"""Kernels that a person adds to a run: a file each in `inbox/` of the run's folder, until the attempt that judges it is recorded.

A letter appears whole, by renaming, so it may be dropped beside a run that goes on. It is removed only after its attempt stands in the
journal under the letter's name: whoever finds it again after a crash sees there whether it was judged. What cannot be read is renamed,
never deleted.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.store.files import put

INBOX = "inbox"
LARGEST = 1_000_000  # bytes of a source
_SUFFIX = ".json"
_REFUSED = ".refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A kernel by hand. `parent`: the attempt that it goes on from, None for the best there is when it is taken up."""

    source: str
    flags: tuple[str, ...] | None = None  # None: those of the parent
    parent: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise UsageError("the kernel is empty; save it first")
        if len(self.source.encode(errors="surrogatepass")) > LARGEST:
            raise UsageError(f"the kernel has more than {LARGEST:,} bytes, which no compiler is asked to read; shorten it")


class Inbox:
    """The letters of one run, oldest first."""

    def __init__(self, run: Path) -> None:
        self.folder = run / INBOX

    def drop(self, letter: Letter) -> str:
        """Put `letter` in; returns its name. Raises `UsageError` when the disk refuses, or a text is not UTF-8."""
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        try:
            self.folder.mkdir(exist_ok=True)
            put(self._path(name), codec.dump_json(letter) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write {self._path(name)}: {error.strerror}") from error
        except ValueError as error:
            raise UsageError("what was given is not UTF-8 text; save it as UTF-8") from error
        return name

    def names(self) -> tuple[str, ...]:
        """Of the letters that are in it."""
        return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}")))

    def holds(self, name: str) -> bool:
        """Whether the letter is still in it."""
        return self._path(name).exists()

    def read(self, name: str) -> Letter:
        """Raises `UsageError` for what is no letter."""
        try:
            return codec.load_json(Letter, self._path(name).read_bytes())
        except OSError as error:
            raise UsageError(f"{self._path(name)}: cannot be read: {error.strerror}") from error

    def remove(self, name: str) -> None:
        """After its attempt was recorded."""
        self._path(name).unlink(missing_ok=True)

    def refuse(self, name: str) -> Path:
        """Set a letter aside that cannot be judged; returns where it lies."""
        aside = self._path(name).with_suffix(_REFUSED)
        self._path(name).replace(aside)
        return aside

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"
