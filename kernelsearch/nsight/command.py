"""The command line of Nsight Compute for a chosen set of counters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def command(ncu: Path, metrics: Sequence[str], log: Path, target: Sequence[str], *, launches: int = 16) -> tuple[str, ...]:
    """Run `target` and collect `metrics` for the first `launches` kernels between its calls of
    cuProfilerStart and cuProfilerStop, as a table in the file `log`.

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
        "--log-file",
        str(log),
        *target,
    )
