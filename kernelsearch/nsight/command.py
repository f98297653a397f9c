"""The command lines of Nsight Compute: for a chosen set of counters, and for reading a report that it kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MOST_LAUNCHES = 16  # of one call: each costs as many replays as there are passes


def command(
    ncu: Path, metrics: Sequence[str], log: Path, target: Sequence[str], *, launches: int = MOST_LAUNCHES, report: Path | None = None
) -> tuple[str, ...]:
    """Run `target` and collect `metrics` for the first `launches` kernels between its calls of
    cuProfilerStart and cuProfilerStop, as a table in the file `log`.

    `report`: a file, NAME.ncu-rep, that takes the profiler's own report as well, with samples by instruction and the sources that it
    can find: for its user interface, and for `source_page`.

    Counters come in base units (byte, not Mbyte). Clocks stay as they are: fixing them needs rights, changes the machine for others
    and would make the profile speak of another clock than the timing. Caches are flushed before each pass, as for timing.
    """
    return (
        str(ncu),
        "--config-file",
        "off",
        "--metrics",
        ",".join(metrics),
        "--csv",
        "--page",
        "raw",
        "--print-units",
        "base",
        "--clock-control",
        "none",
        "--cache-control",
        "all",
        "--target-processes",
        "all",
        "--profile-from-start",
        "off",
        "--launch-count",
        str(launches),
        *(
            ()
            if report is None
            else ("--section", "SourceCounters", "--import-source", "yes", "--force-overwrite", "--export", str(report))
        ),
        "--log-file",
        str(log),
        *target,
    )


def raw_page(ncu: Path, report: Path) -> tuple[str, ...]:
    """Print a kept report's counters as `command` does, for `parse`: where a report is written the table may not be. Needs no GPU."""
    return (*_import(ncu, report), "raw", "--print-units", "base")


def source_page(ncu: Path, report: Path, source: Path | None = None) -> tuple[str, ...]:
    """Print a kept report's samples for `hot_lines`: by line of the file `source` and by instruction, without it by instruction alone.

    Where the code was compiled the source is no more, so it has to be shown again.
    """
    view = ("sass",) if source is None else ("cuda,sass", "--resolve-source-file", str(source))
    return (*_import(ncu, report), "source", "--print-source", *view)


def _import(ncu: Path, report: Path) -> tuple[str, ...]:
    return (str(ncu), "--config-file", "off", "--import", str(report), "--csv", "--page")
