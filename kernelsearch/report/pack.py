"""Many long texts that are much alike, small enough to travel in a page.

Details of attempts repeat each other: prompts share their beginnings, differences their context, tables their heads. So every line is
kept once, lines that begin alike side by side in the order in which they first came up, and a text is a list of ranges of line numbers.
Both are deflated, which a browser can undo by itself, and only when somebody asks for a text.
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_FAMILIES = ("<tr class", "<tr><td>", "<tr><th")  # rows of differences, of sources, of tables; they deflate by a fifth better apart


@dataclass(frozen=True, slots=True)
class Packed:
    """Base64 of two deflated texts: the distinct lines, and by text its ranges as in `0-12,40,57-60`, a line a text."""

    lines: str
    texts: str


def pack(texts: Iterable[str]) -> Packed:
    families: list[dict[str, int]] = [{} for _ in (*_FAMILIES, "")]
    found = []
    for text in texts:
        lines = text.split("\n")
        kinds = [_family(line) for line in lines]
        found.append([(kind, families[kind].setdefault(line, len(families[kind]))) for kind, line in zip(kinds, lines, strict=True)])
    starts = list(itertools.accumulate((len(family) for family in families), initial=0))
    ranges = (",".join(_ranges([starts[kind] + place for kind, place in numbers])) for numbers in found)
    return Packed(lines=_deflated("\n".join(line for family in families for line in family)), texts=_deflated("\n".join(ranges)))


def _family(line: str) -> int:
    return next((place for place, start in enumerate(_FAMILIES) if line.startswith(start)), len(_FAMILIES))


def unpack(packed: Packed) -> tuple[str, ...]:
    """The texts again: what a page's script does, for whoever reads a page without it."""
    lines = _inflated(packed.lines).split("\n")
    return tuple("\n".join(_named(ranges, lines)) for ranges in _inflated(packed.texts).split("\n"))


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    start = previous = numbers[0]
    for number in numbers[1:]:
        if number != previous + 1:
            yield f"{start}-{previous}" if previous > start else str(start)
            start = number
        previous = number
    yield f"{start}-{previous}" if previous > start else str(start)


def _named(ranges: str, lines: Sequence[str]) -> Iterator[str]:
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        yield from lines[int(first) : int(last or first) + 1]


def _deflated(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _inflated(text: str) -> str:
    return zlib.decompress(base64.b64decode(text)).decode()
