"""Line differences between two sources, classed for colouring, and texts cut to what a report can carry."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. `kind`: add, del, same or hunk."""

    kind: str
    text: str


_KINDS = {"+": "add", "-": "del", "@": "hunk"}


def lines(old: str, new: str, context: int = 3) -> tuple[Line, ...]:
    """The unified difference without its two header lines; empty when nothing changed."""
    unified = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=context)
    body = list(unified)[2:]
    return tuple(Line(_KINDS.get(line[:1], "same"), line) for line in body)


def changed(old: str, new: str) -> int:
    """Lines added or removed."""
    return sum(line.kind in ("add", "del") for line in lines(old, new, context=0))


def cut_lines(found: tuple[Line, ...], most: int) -> tuple[Line, ...]:
    """At most `most` lines, with a note of how many were left out."""
    if len(found) <= most:
        return found
    return (*found[:most], Line("hunk", f"@@ {len(found) - most} more lines: see the source in the run folder @@"))


def cut(text: str, most: int, where: str) -> str:
    """`text` whole, or its head and tail with a note of how much is missing and `where` the whole lies."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return f"{text[:head]}\n\n[… {len(text) - head - tail:,} characters left out; the whole text is {where} …]\n\n{text[-tail:]}"
