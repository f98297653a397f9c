"""Search/replace blocks: whole lines of the source, and what to put in their place.

A block matches where its lines equal those of the source; if nowhere, where they do so but for white space. It must match at one
place exactly. Blocks apply in order, each to the result of those before.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from kernelsearch.errors import ReplyUnusable
from kernelsearch.propose.edits.base import Edited, finish

INSTRUCTIONS = """\
Answer with one or more search/replace blocks:

<<<<<<< SEARCH
lines of the present source, copied exactly
=======
the lines to put in their place
>>>>>>> REPLACE

Copy whole lines in SEARCH, as few as name one place in the source and no other. Blocks apply in order.
"""

_OPEN = re.compile(r"\s*<{5,9}\s*SEARCH\s*$")
_MIDDLE = re.compile(r"\s*={5,9}\s*$")
_CLOSE = re.compile(r"\s*>{5,9}\s*REPLACE\s*$")


@dataclass(frozen=True, slots=True)
class _Block:
    search: list[str]
    replace: list[str]


def read(reply: str, source: str) -> Edited:
    """Apply the reply's blocks. Raises `ReplyUnusable` when there are none, or one does not match at exactly one place."""
    blocks, prose = _blocks(reply)
    lines = source.split("\n")
    for number, block in enumerate(blocks, 1):
        lines = _replace(lines, block, f"Block {number}")
    edited = "\n".join(lines)
    if not blocks and "FLAGS" not in prose:
        raise ReplyUnusable("The reply holds no block of the form <<<<<<< SEARCH / ======= / >>>>>>> REPLACE.")
    return finish(edited, source, prose)


def _blocks(reply: str) -> tuple[list[_Block], str]:
    blocks: list[_Block] = []
    prose: list[str] = []
    search: list[str] | None = None
    replace: list[str] | None = None
    for line in reply.replace("\r\n", "\n").split("\n"):
        if search is None:
            if _OPEN.match(line):
                search = []
            else:
                prose.append(line)
        elif replace is None:
            if _MIDDLE.match(line):
                replace = []
            else:
                search.append(line)
        elif _CLOSE.match(line):
            blocks.append(_Block(search, replace))
            search = replace = None
        else:
            replace.append(line)
    if search is not None:
        missing = "=======" if replace is None else ">>>>>>> REPLACE"
        raise ReplyUnusable(f"Block {len(blocks) + 1} has no {missing} line, so nothing was applied. Was the answer cut off?")
    return blocks, "\n".join(prose)


def _replace(lines: list[str], block: _Block, name: str) -> list[str]:
    search = _trim(block.search)
    if not search:
        raise ReplyUnusable(f"{name} has an empty SEARCH part: copy there the lines to replace.")
    for shape in (str, _squeeze):
        places = _places([shape(line) for line in lines], [shape(line) for line in search])
        if len(places) > 1:
            where = ", ".join(str(place + 1) for place in places[:5])
            raise ReplyUnusable(
                f"{name} matches at {len(places)} places (lines {where}). Copy more lines around the one that is meant:\n" + _quote(search)
            )
        if places:
            start = places[0]
            shift = _indent(lines[start]), _indent(search[0])
            put = [_shifted(line, *shift) for line in _trim(block.replace)]
            return [*lines[:start], *put, *lines[start + len(search) :]]
    near = _nearest(lines, search)
    raise ReplyUnusable(f"{name} does not match: these lines are not in the source:\n{_quote(search)}\nThe nearest there are:\n{near}")


def _trim(lines: list[str]) -> list[str]:
    """Without blank lines at either end."""
    filled = [position for position, line in enumerate(lines) if line.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _squeeze(line: str) -> str:
    return " ".join(line.split())


def _places(lines: list[str], search: list[str]) -> list[int]:
    return [start for start in range(len(lines) - len(search) + 1) if lines[start : start + len(search)] == search]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _shifted(line: str, there: str, here: str) -> str:
    """A replacement line with the indentation that the source has `there`, where the block has it `here`."""
    return there + line[len(here) :] if there != here and line.startswith(here) and line.strip() else line


def _nearest(lines: list[str], search: list[str]) -> str:
    longest = max(search, key=lambda line: len(line.strip())).strip()[:300]
    scores = [difflib.SequenceMatcher(None, longest, line.strip()[:300]).quick_ratio() for line in lines[:5000]]
    best = scores.index(max(scores))
    return _quote(lines[max(0, best - 2) : best + 3])


def _quote(lines: list[str]) -> str:
    shown = [f"    {line[:300]}" for line in lines[:12]]
    return "\n".join([*shown, "    …"] if len(lines) > 12 else shown)
