"""A suite's rows for a spreadsheet: one line a search, numbers in full, names as in `Row`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from kernelsearch.model import Row
from kernelsearch.suite.scores import at_least, correct, library_us, light, won

NAME = "suite.csv"
_PLAIN = (
    *("suite", "task", "seed", "setting", "device", "started", "time_kind", "baseline_us", "best_us", "speedup"),
    *("light_baseline", "light_best", "candidates", "passed", "seconds", "gpu_seconds", "usd", "steps", "ended", "censored", "failure"),
    *("folder", "digest"),
)


def to_csv(rows: Sequence[Row]) -> str:
    """With a header; what is not known is empty. Each yardstick and each verdict has a column of its own."""
    libraries = sorted({name for row in rows for name in row.yardsticks})
    verdicts = sorted({name for row in rows for name in row.verdicts})
    heads = [*_PLAIN, "speedup_low", "speedup_high", "correct", "shown_speedup", "win", "sol_score", "library_us"]
    heads += [*(f"{name}_us" for name in libraries), *(f"attempts {name}" for name in verdicts)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    for row in rows:
        low, high = row.interval or (None, None)
        derived = [low, high, correct(row), at_least(row), won(row), light(row), library_us(row)]
        named = [*(row.yardsticks.get(name) for name in libraries), *(row.verdicts.get(name, 0) for name in verdicts)]
        writer.writerow([_cell(value) for value in (*(getattr(row, name) for name in _PLAIN), *derived, *named)])
    return text.getvalue()


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is told apart by a quote."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return "" if value is None else int(value) if isinstance(value, bool) else value
