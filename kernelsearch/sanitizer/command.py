"""The command line of compute-sanitizer for one of its tools. Pure.

Every option here is one that versions from 2022.1 to 2025.3 know. The report is the tool's text: it is the documented form, and it is
written as errors are found, where the XML file (`--xml --save`) would be lost with a program that has to be killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")  # memcheck first: the others assume that accesses are valid
ERRORS_FOUND = 86  # the exit status when the tool found errors: one that neither Python nor a signal gives
_PRINTED = 1000  # records in the report; one wrong index is an error a thread
_PADDING = 512  # bytes behind each allocation that nobody may touch: without them a neighbour hides an overrun
HARNESS = ("ks_prepare", "ks_inspect", "ks_digest", "ks_shared", "ks_copy")  # our runner's own kernels: sandbox/runner/support.cu
# They are left out where that costs nothing; initcheck must see them, since they write the inputs.
_LEFT_OUT = f"regex=^({'|'.join(HARNESS)})$"
_OPTIONS = {
    # Failed API calls are the runner's to report, and a driver's harmless probes (cuGetProcAddress) would be counted.
    "memcheck": ("--leak-check", "no", "--report-api-errors", "no", "--padding", str(_PADDING), "--kernel-name-exclude", _LEFT_OUT),
    "racecheck": ("--racecheck-report", "analysis", "--kernel-name-exclude", _LEFT_OUT),
    "initcheck": (),
    "synccheck": ("--kernel-name-exclude", _LEFT_OUT),
}


def command(path: Path, tool: str, log: Path, target: Sequence[str]) -> tuple[str, ...]:
    """Run `target` under `tool`, one of `TOOLS`, with the report in the file `log`.

    The tool waits as long as it takes until `target` first uses CUDA: a warm process may idle, and a box has a time limit of its own.
    """
    return (
        str(path),
        "--tool",
        tool,
        "--log-file",
        str(log).replace("%", "%%"),  # the tool expands %p and the like
        "--error-exitcode",
        str(ERRORS_FOUND),
        "--print-limit",
        str(_PRINTED),
        "--print-level",
        "warn",
        "--demangle",
        "simple",
        "--show-backtrace",
        "device",
        "--target-processes",
        "all",
        "--launch-timeout",
        "0",
        "--kill",
        *_OPTIONS[tool],
        *target,
    )
