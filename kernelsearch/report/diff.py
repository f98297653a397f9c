"""Differences between two sources, line by line for a terminal and side by side for a page, and texts cut to what a report can carry."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from kernelsearch.source import highlight


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. `kind`: add, del, same or hunk."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a row: the line's number in its source, from 1, and the line in coloured pieces."""

    number: int
    pieces: highlight.Line


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of two sources side by side. `kind`: same, change, add, del, or gap with a `note` in place of the sides."""

    kind: str
    old: Side | None = None
    new: Side | None = None
    note: str = ""


_KINDS = {"+": "add", "-": "del", "@": "hunk"}


def lines(old: str, new: str, context: int = 3) -> tuple[Line, ...]:
    """The unified difference without its two header lines; empty when nothing changed."""
    unified = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=context)
    body = list(unified)[2:]
    return tuple(Line(_KINDS.get(line[:1], "same"), line) for line in body)


def changed(old: str, new: str) -> int:
    """Lines added or removed."""
    return sum(line.kind in ("add", "del") for line in lines(old, new, context=0))


def side_by_side(old: highlight.Source, new: highlight.Source, most: int, context: int = 3) -> tuple[Pair, ...]:
    """Both sources in rows, with what is unchanged left out but for `context` lines around a change; empty when nothing changed."""
    matcher = difflib.SequenceMatcher(None, old.texts, new.texts, autojunk=False)
    rows: list[Pair] = []
    shown = 0  # lines of `new` up to here were shown or told as left out
    for group in matcher.get_grouped_opcodes(context):
        if all(tag == "equal" for tag, *_ in group):
            continue
        if (hidden := group[0][3] - shown) > 0:
            rows.append(Pair("gap", note=_unchanged(hidden)))
        for tag, *places in group:
            rows += _rows(tag, places, old, new)
        shown = group[-1][4]
    if rows and (hidden := len(new.texts) - shown) > 0:
        rows.append(Pair("gap", note=_unchanged(hidden)))
    if len(rows) <= most:
        return tuple(rows)
    return (*rows[:most], Pair("gap", note=f"{len(rows) - most} more rows: see the source in the run folder"))


def _rows(tag: str, places: list[int], old: highlight.Source, new: highlight.Source) -> list[Pair]:
    first, last, start, end = places
    left = [Side(n + 1, old.lines[n]) for n in range(first, last)]
    right = [Side(n + 1, new.lines[n]) for n in range(start, end)]
    both = min(len(left), len(right))
    rows = [Pair("same" if tag == "equal" else "change", one, other) for one, other in zip(left, right, strict=False)]
    rows += [Pair("del", one, None) for one in left[both:]]
    return rows + [Pair("add", None, other) for other in right[both:]]


def _unchanged(count: int) -> str:
    return f"{count} unchanged line{'' if count == 1 else 's'}"


def cut(text: str, most: int, where: str) -> str:
    """`text` whole, or its head and tail with a note of how much is missing and `where` the whole lies."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return f"{text[:head]}\n\n[… {len(text) - head - tail:,} characters left out; the whole text is {where} …]\n\n{text[-tail:]}"
