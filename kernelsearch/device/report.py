"""Reads the report that a profiler left in a box: again in a box, without a GPU, since whoever wrote it had the candidate beside it.

The profiler prints a table or writes a report; that it does both is not promised. So the report is asked for what is missing: its
counters, and where samples were taken, by line where it finds the source and its line information, else by instruction.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernelsearch import nsight
from kernelsearch.sandbox.base import Box, Limits, Sandbox
from kernelsearch.toolchain.nvcc import SOURCE

MOST_BYTES = 8 << 20  # of a report: a usual one has a tenth of it
NAME = "report.ncu-rep"
_LIMITS = Limits(seconds=20.0, processes=64, output_bytes=16 << 20)  # reading takes about a second


_Command = Callable[[Path, Path], tuple[str, ...]]  # from the files of the report and of the source


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads reports with the profiler at `ncu`. `folder` is where files may be put for a while."""

    ncu: Path
    sandbox: Sandbox
    folder: Path

    def table(self, report: bytes) -> nsight.Table:
        """Its counters."""
        return nsight.parse(self._read(report, "", lambda file, _: nsight.raw_page(self.ncu, file)))

    def source_page(self, report: bytes, source: str) -> tuple[str, str]:
        """The page with most to say, and why there is none."""
        text = self._read(report, source, lambda file, code: nsight.source_page(self.ncu, file, code))
        if not nsight.hot_lines(text):
            text = self._read(report, "", lambda file, _: nsight.source_page(self.ncu, file)) or text
        if nsight.hot_lines(text):
            return text, ""
        said = next((line for line in reversed(text.splitlines()) if line.startswith("==")), "its source page has no samples")
        return "", f"no hot lines: {said.strip('= ')[:200]}"

    def _read(self, report: bytes, source: str, command: _Command) -> str:
        with tempfile.TemporaryDirectory(prefix="report-", dir=self.folder, ignore_cleanup_errors=True) as name:
            file, code = Path(name) / NAME, Path(name) / SOURCE
            file.write_bytes(report)
            code.write_text(source, encoding="utf-8")
            for path in (file, code):
                path.chmod(0o644)
            box = Box(
                command=command(file, code),
                readable=(self.ncu.parent, file, code),
                env={"LC_ALL": "C", "HOME": "/tmp"},
                limits=_LIMITS,
            )
            end = self.sandbox.run(box)
        if end.timed_out:
            return f"== no end after {_LIMITS.seconds:g} s"
        return end.stdout or end.stderr
