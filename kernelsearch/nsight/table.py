"""Reads the table that `ncu --csv --page raw` writes, and the reasons it gives when there is none. Pure.

A header line, a line of units, then one line a kernel launch; the tool's own messages begin with `==`. Values are brought to base
units and to plain numbers whatever the locale that printed them.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model import Metric

_SCALES = {
    "Kbyte": (1e3, "byte"),
    "Mbyte": (1e6, "byte"),
    "Gbyte": (1e9, "byte"),
    "Tbyte": (1e12, "byte"),
    "us": (1e3, "ns"),
    "ms": (1e6, "ns"),
    "s": (1e9, "ns"),
    "nsecond": (1.0, "ns"),
    "usecond": (1e3, "ns"),
    "msecond": (1e6, "ns"),
    "second": (1e9, "ns"),
    "Kbyte/second": (1e3, "byte/s"),
    "Mbyte/second": (1e6, "byte/s"),
    "Gbyte/second": (1e9, "byte/s"),
    "Tbyte/second": (1e12, "byte/s"),
    "byte/second": (1.0, "byte/s"),
    "Kbyte/s": (1e3, "byte/s"),
    "Mbyte/s": (1e6, "byte/s"),
    "Gbyte/s": (1e9, "byte/s"),
    "Tbyte/s": (1e12, "byte/s"),
}
_PERMISSION = (
    "Nsight Compute may not read the GPU's counters (ERR_NVGPUCTRPERM): run as root, or let every user read them with "
    "`options nvidia NVreg_RestrictProfilingToAdminUsers=0` in /etc/modprobe.d/nvidia.conf and a reload of the driver"
)
_ERRORS = 16  # told of: one for each counter that it does not know
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.])\d{3}(\1\d{3})*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRow:
    """One launch: the kernel as the profiler names it, and its counters."""

    kernel: str
    metrics: Mapping[str, Metric] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Launches in order, or `missing`: why there are none, with the remedy where there is one."""

    kernels: tuple[KernelRow, ...] = ()
    missing: str = ""


def parse(text: str) -> Table:
    """The table in the output `text`. Never raises: what cannot be read is absent, and `missing` says so when nothing is left."""
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    try:
        rows = list(csv.reader(line for line in lines[start:] if line.startswith('"')))
    except csv.Error:  # a field longer than any that the tool writes
        rows = []
    if len(rows) < 3 or "Kernel Name" not in rows[0]:
        return Table(missing=_reason(lines))
    header, units, *launches = rows
    name = header.index("Kernel Name")
    kernels = tuple(
        KernelRow(kernel=row[name], metrics=_metrics(header, units, row)) for row in launches if len(row) == len(header) == len(units)
    )
    return Table(kernels=kernels) if kernels else Table(missing=_reason(lines))


def number(text: str) -> float | None:
    """A printed number, with thousands separators of any locale; None for "n/a" and what else is no finite number.

    A lone separator before three digits is taken for thousands if it is a comma and for a decimal point if it is a point: that is
    how the C locale writes, and boxes use it.
    """
    text = text.strip().replace("\u202f", "").replace("\xa0", "").replace(" ", "")
    if "," in text and "." in text:
        decimal = max(",", ".", key=text.rfind)
        text = text.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    elif "," in text:
        text = text.replace(",", "") if _THOUSANDS.match(text) else text.replace(",", ".")
    elif text.count(".") > 1:
        text = text.replace(".", "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _metrics(header: list[str], units: list[str], row: list[str]) -> dict[str, Metric]:
    found = {}
    for column, unit, text in zip(header, units, row, strict=True):
        value = number(text) if "__" in column else None
        if value is not None:
            scale, base = _SCALES.get(unit, (1.0, unit))
            found[column] = Metric(value=value * scale, unit=base)
    return found


def _reason(lines: list[str]) -> str:
    if any("ERR_NVGPUCTRPERM" in line for line in lines):
        return _PERMISSION
    errors = [line.removeprefix("==ERROR==").strip() for line in lines if line.startswith("==ERROR==")]
    if errors:
        return f"Nsight Compute: {'; '.join(errors[:_ERRORS])}"
    if any("No kernels were profiled" in line for line in lines):
        return "Nsight Compute saw no kernel launch"
    return "Nsight Compute gave no table"
