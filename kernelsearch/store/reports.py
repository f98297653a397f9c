"""Reports of the profiler, each a file of its own that its user interface opens, under the digest of its content.

They are evidence for people and of no use to the search, so they are bounded in number: the first one, which is the baseline's, and the
newest stay.
"""

from __future__ import annotations

import re
from pathlib import Path

from kernelsearch import digest
from kernelsearch.model import Attempt, Outcome
from kernelsearch.store.files import put

FOLDER = "profiles"  # in that of a run
MOST = 24
SUFFIX = ".ncu-rep"
_NAME = re.compile(r"[0-9a-f]{32}")


class Reports:
    """A folder of reports, made when there is one to keep."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self.folder, self._most = folder, most

    def put(self, data: bytes) -> str:
        """Keep `data` and return its name. Raises `OSError` with the path."""
        name = digest.of_bytes(data)
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self._kept()
        if self.file(name) not in kept:
            for old in kept[1 : len(kept) - self._most + 2]:
                old.unlink(missing_ok=True)
            put(self.file(name), data)
        return name

    def get(self, name: str) -> bytes | None:
        """The report called `name`; None for one that is not here, or not any more."""
        try:
            return self.file(name).read_bytes() if _NAME.fullmatch(name) else None
        except OSError:
            return None

    def file(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _kept(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob(f"[0-9a-f]*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)


def take_over(attempt: Attempt, there: Reports | None, ours: Reports) -> str:
    """Bring the report of what an attempt had judged into the folder of its run; a sentence that says why it could not be.

    What was read from it is in the record already.
    """
    evaluation = attempt.evaluation if attempt.outcome is Outcome.EVALUATED else None
    name = "" if evaluation is None or evaluation.profile is None else evaluation.profile.report
    data = there.get(name) if there is not None and name else None
    try:
        if data is not None:
            ours.put(data)
    except OSError as error:
        return f"a report of the profiler was not kept: {error.filename}: {error.strerror}"
    return ""
