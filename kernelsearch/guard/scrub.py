"""C++ source as the guard matches it: lines joined, comments gone, strings whole or emptied, and lines still told.

A lexer of the tokens that can hide others: comments, strings, raw strings, characters and numbers with separators.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

_SPLICE = re.compile(r"\\[ \t]*\r?\n")
_BREAK = re.compile(rf"{_SPLICE.pattern}|\n")
_TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))
  | (?P<raw>\b(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s]{0,16})\(.*?(?:\)(?P=delimiter)"|\Z))
  | [A-Za-z_]\w*
  | \.?\d(?:'?[\w.])*
  | (?P<string>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """`text`: comments are blank, strings are whole. `code`: strings are empty too. Both have the same offsets."""

    text: str
    code: str
    starts: tuple[int, ...]  # offsets at which a new line of the source begins, joined lines among them

    def line(self, offset: int) -> int:
        """The line in the source, from 1, of `offset`."""
        return 1 + bisect.bisect_right(self.starts, offset)


def scrub(source: str) -> Scrubbed:
    """Take `source` apart; any text is accepted, as a compiler will refuse what is not C++."""
    starts, removed = [], 0
    for match in _BREAK.finditer(source):
        spliced = match[0] != "\n"
        removed += len(match[0]) if spliced else 0
        starts.append(match.end() - removed)
    joined = _SPLICE.sub("", source)
    text = _TOKEN.sub(lambda match: _blank(match[0]) if match["comment"] else match[0], joined)
    code = _TOKEN.sub(_empty, joined)
    return Scrubbed(text, code, tuple(starts))


def _empty(match: re.Match[str]) -> str:
    if match["comment"] or match["raw"]:
        return _blank(match[0])
    if match["string"]:
        quote = match[0][0]
        return f"{quote}{_blank(match[0][1:-1])}{quote}" if len(match[0]) > 1 else quote
    return match[0]


def _blank(text: str) -> str:
    return "".join("\n" if character == "\n" else " " for character in text)
