"""What the owner of a run has to say to its proposer: `hints.jsonl` in the run's folder, one JSON object a line, which only grows.

Anybody may append at any time, also beside a run that goes on: a line is one write to the end of the file, so neither a lock nor the run's
consent is needed. A hint is numbered by its place among the hints; withdrawing one is a line of its own. What cannot be read is passed
over with a warning, and a line without its end is one that is still being written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.scrub import scrub

HINTS = "hints.jsonl"
LONGEST = 1_000  # characters of one hint
AT_ONCE = 8  # hints in one prompt, those that were given last


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One idea, as it was given. Times are UTC, ISO 8601."""

    number: int
    at: str
    text: str
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A hint, or the number of one that is withdrawn."""

    at: str
    text: str = ""
    drop: int | None = None


@dataclass(slots=True)
class _News:
    """What was appended since the last look."""

    said: list[Hint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Hints:
    """The hints of one run, as far as they were read. Not thread-safe; `give` and `drop` may be called in any number of processes."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = folder / HINTS
        self._clock = clock
        self._hints: list[Hint] = []
        self._read = 0  # bytes
        self._lines = 0
        self._shut = False  # it could not be read, which was said

    @property
    def all(self) -> tuple[Hint, ...]:
        """Every hint that was read, oldest first, withdrawn ones too."""
        return tuple(self._hints)

    @property
    def in_force(self) -> tuple[int, ...]:
        """The numbers of the hints that go into a prompt now."""
        return tuple(hint.number for hint in self._hints if not hint.dropped)[-AT_ONCE:]

    def texts(self, numbers: tuple[int, ...]) -> tuple[str, ...]:
        """The words of some hints; a number that there is not has none."""
        return tuple(self._hints[number - 1].text for number in numbers if 1 <= number <= len(self._hints))

    def give(self, text: str) -> Hint:
        """Append a hint. Raises `UsageError` for one that is empty, too long or no text, and when the disk refuses."""
        text = " ".join(scrub(text).split())
        if not text:
            raise UsageError("the hint is empty; write the idea in a sentence or two")
        if len(text) > LONGEST:
            raise UsageError(f"the hint has {len(text):,} characters, and {LONGEST:,} are the most; say it shorter, or give two")
        at = self._clock().isoformat()
        self._append(_Line(at=at, text=text))
        self.look()
        return next(hint for hint in reversed(self._hints) if (hint.at, hint.text) == (at, text))

    def drop(self, number: int) -> Hint:
        """Withdraw a hint. Raises `UsageError` when there is none of that number, or it was withdrawn before."""
        self.look()
        if not 1 <= number <= len(self._hints):
            raise UsageError(f"there is no hint {number}; `kernelsearch hint {self.path.parent}` lists those that there are")
        if self._hints[number - 1].dropped:
            raise UsageError(f"hint {number} was withdrawn before")
        self._append(_Line(at=self._clock().isoformat(), drop=number))
        self.look()
        return self._hints[number - 1]

    def look(self) -> _News:
        """Read what was appended since the last look: hints that are new or were withdrawn, and what could not be read."""
        news = _News()
        try:
            if self.path.stat().st_size == self._read:
                return news
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return news
        except OSError as error:
            if not self._shut:
                news.warnings.append(f"{self.path}: cannot be read, so no hint is heeded: {error.strerror}")
            self._shut = True
            return news
        whole, end, _ = data.rpartition(b"\n")
        self._read += len(whole) + len(end)
        for line in whole.split(b"\n") if end else ():
            self._lines += 1
            if line.strip():
                self._take(line, news)
        return news

    def _take(self, line: bytes, news: _News) -> None:
        try:
            found = codec.load_json(_Line, line)
            if found.drop is None:
                self._hints.append(Hint(number=len(self._hints) + 1, at=found.at, text=_checked(found.text)))
                news.said.append(self._hints[-1])
                return
            if not 1 <= found.drop <= len(self._hints):
                raise UsageError(f"there is no hint {found.drop} to withdraw")
        except UsageError as error:
            news.warnings.append(f"{self.path}, line {self._lines}: passed over: {error}")
            return
        self._hints[found.drop - 1] = replace(self._hints[found.drop - 1], dropped=True)
        news.said.append(self._hints[found.drop - 1])

    def _append(self, line: _Line) -> None:
        try:
            data = codec.dump_json(line).encode() + b"\n"
        except ValueError as error:  # half a surrogate pair, as a shell passes what is no UTF-8
            raise UsageError("the hint is not UTF-8 text; write it in UTF-8") from error
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(handle).st_size
                torn = size and os.pread(handle, 1, size - 1) != b"\n"  # by a disk that was full: what comes next is a line of its own
                data = b"\n" + data if torn else data
                written = os.write(handle, data)
            finally:
                os.close(handle)
        except OSError as error:
            raise UsageError(f"cannot write {self.path}: {error.strerror}") from error
        if written != len(data):
            raise UsageError(f"{self.path} took a part of the hint alone, which will be passed over; make room and give it again")


def _checked(text: str) -> str:
    """The words of a line that anybody may have written. Raises `UsageError` where `give` would have."""
    if not text.strip() or len(text) > LONGEST:
        raise UsageError(f"a hint has from 1 to {LONGEST:,} characters, and this one {len(text):,}")
    return text
