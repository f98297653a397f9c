"""Reads what `ncu --import REPORT --page source --csv` prints: where in a kernel samples were taken, and why warps stood there. Pure.

The tool prints one block a kernel: a line with its name, a header, and a row for each instruction. With `--print-source cuda,sass` rows
with a line number stand between, each with the sums of the instructions below it; without line information there are none. Columns are
found by their names, which differ a little between versions.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from kernelsearch.model import HotLine
from kernelsearch.nsight.table import number

_NAMES = ("Kernel Name", "Function Name")
_FILE = "File Path"
_HEADERS = ("Line No", "Address", "#")
_SAMPLES = ("Warp Stall Sampling (All Samples)", "Warp Stall Sampling (All Cycles)", "# Samples")
_STALL = re.compile(r"stall_(\w+)$")  # those of samples in which nothing was issued have a word behind
_GOES_ON = "selected"  # no reason to wait: its instruction was issued
_PREDICATE = re.compile(r"^@!?U?P\w+\s+")


@dataclass(slots=True)
class _Place:
    """A source line with its instructions, or one instruction alone."""

    line: int
    samples: float = 0.0
    stalls: dict[str, float] = field(default_factory=dict)
    opcode: str = ""
    most: float = -1.0  # samples of that opcode's instruction


@dataclass(slots=True)
class _Columns:
    """Where in a row things stand."""

    line: int | None
    code: int
    samples: int
    stalls: dict[str, int]


def hot_lines(text: str, kernel: str = "", most: int = 5, file: str = "") -> tuple[HotLine, ...]:
    """The places with most samples in the first launch of the kernel called `kernel`, of the first one without a name.

    A kernel has a block for each file that it has code of; lines of others than `file` have number 0, if that is given. Never raises:
    what cannot be read is absent.
    """
    places = _places(text, kernel, file)
    total = sum(place.samples for place in places)
    hottest = sorted((place for place in places if place.samples > 0), key=lambda place: -place.samples)[:most]
    return tuple(
        HotLine(
            line=place.line,
            opcode=place.opcode,
            share=place.samples / total,
            stall=max(place.stalls, key=lambda reason: place.stalls[reason], default=""),
        )
        for place in hottest
    )


def _places(text: str, kernel: str, file: str) -> list[_Place]:
    places: list[_Place] = []
    columns: _Columns | None = None
    chosen, at, wanted = "", "", False
    seen: set[tuple[str, str]] = set()
    try:
        for row in csv.reader(line for line in text.splitlines() if line.startswith('"')):
            name = row[1] if len(row) > 1 else ""
            if row and row[0] == _FILE:
                at = name
            elif row and row[0] in _NAMES:
                wanted = name == chosen if chosen else not kernel or _plain(name) == _plain(kernel)
                if wanted and (at, name) in seen:
                    break  # the next launch
                chosen = name if wanted else chosen
                seen.add((at, name))
            elif row and row[0] in _HEADERS:
                columns = _columns(row)
            elif wanted and columns is not None:
                _add(places, row, columns, ours=not (file and at) or PurePath(at).name == file)
    except csv.Error:  # a field longer than any that the tool writes
        pass
    return places


def _plain(name: str) -> str:
    """`void ns::scale<float>(float *)` is "scale"."""
    return re.split(r"::|\s", re.split(r"[<(]", name, maxsplit=1)[0].strip())[-1]


def _columns(header: Sequence[str]) -> _Columns | None:
    samples = next((header.index(name) for name in _SAMPLES if name in header), None)
    if samples is None or "Address" not in header:
        return None
    return _Columns(
        line=header.index("Line No") if "Line No" in header else None,
        code=header.index("Address") + 1,
        samples=samples,
        stalls={match[1]: place for place, name in enumerate(header) if (match := _STALL.match(name)) and match[1] != _GOES_ON},
    )


def _add(places: list[_Place], row: Sequence[str], columns: _Columns, *, ours: bool) -> None:
    if len(row) <= max(columns.samples, columns.code, *columns.stalls.values()):
        return
    samples = number(row[columns.samples]) or 0.0
    by_line = columns.line is not None
    if columns.line is not None and row[columns.line].isdigit():
        places.append(_Place(line=int(row[columns.line]) if ours else 0, samples=samples, stalls=_stalls(row, columns)))
    elif not by_line:
        places.append(_Place(line=0, samples=samples, stalls=_stalls(row, columns), opcode=_opcode(row[columns.code])))
    elif places and samples > places[-1].most:
        places[-1].opcode, places[-1].most = _opcode(row[columns.code]), samples


def _stalls(row: Sequence[str], columns: _Columns) -> dict[str, float]:
    return {reason: count for reason, place in columns.stalls.items() if (count := number(row[place]))}


def _opcode(instruction: str) -> str:
    return (_PREDICATE.sub("", instruction.strip()).split() or [""])[0]
