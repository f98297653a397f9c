"""Source as coloured pieces: what each stretch of a line is, for whoever draws it. Pure; no markup.

Read word by word and line by line, not by the grammar: what a word is can nearly always be told from itself, a page of thousands of
sources has few lines that are not in another one too, and a line that was read is remembered. Kinds are the few that help to
read a kernel: `kernel` marks the words that CUDA adds, `thread` the built-in indices, `sync` what threads do together.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from functools import lru_cache

Piece = tuple[str, str]  # kind ("" for plain text) and text
Line = tuple[Piece, ...]

_CUDA = re.compile(
    r"""(?P<comment>//.*|/\*.*?(?:\*/|$))
    |(?P<string>(?:u8|[LuUR])?"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)
    |(?P<directive>^\s*\#\s*\w+)|(?P<header>(?<=include)\s*<[^>]*>)
    |(?P<number>(?<![\w.])(?:0[xX][\da-fA-F']+[uUlL]*|\.?\d(?:[eEpP][+-]|[\w.'])*))
    |(?P<launch><<<|>>>)
    |(?P<word>[A-Za-z_]\w*)""",
    re.VERBOSE,
)
_PYTHON = re.compile(
    r"""(?P<comment>\#.*)
    |(?P<long>(?i:[rbuf]{0,2})(?P<quote>\"{3}|'{3}).*?(?:(?P=quote)|$))
    |(?P<string>(?i:[rbuf]{0,2})(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))
    |(?P<number>(?<![\w.])\.?\d(?:[eE][+-]|[\w.])*)
    |(?P<word>[A-Za-z_]\w*)""",
    re.VERBOSE,
)
_WORDS = {
    "keyword": r"""alignas|alignof|asm|auto|break|case|catch|class|concept|const|constexpr|consteval|constinit|continue|decltype|default
        |delete|do|else|enum|explicit|extern|final|for|friend|goto|if|inline|mutable|namespace|new|noexcept|operator|override|private|protected|public
        |register|reinterpret_cast|const_cast|static_cast|dynamic_cast|requires|return|sizeof|static|static_assert|struct|switch|template|throw
        |try|typedef|typename|union|using|virtual|volatile|while""",
    "number": r"true|false|nullptr|NULL|INFINITY|NAN|FLT_MAX",
    "thread": r"threadIdx|blockIdx|blockDim|gridDim|warpSize",
    "kernel": r"""__(?:global|device|host|shared|constant|managed|restrict|forceinline|noinline|launch_bounds|grid_constant|align)__
        |__restrict""",
    "sync": r"__(?:sync|shfl|ballot|any|all|reduce|match|threadfence|pipeline)\w*|atomic[A-Z]\w*",
    "type": r"""bool|char|double|float|half|int|long|short|signed|unsigned|void|wchar_t|dim3|__half2?|__nv_bfloat16[2]?
        |(?:u?(?:char|short|int|long|longlong)|float|double|half)[1-4]""",
    "called": r"\w+_t|cuda[A-Z]\w*",  # types, where they are not called
}
_SHAPES = {kind: re.compile(words, re.VERBOSE) for kind, words in _WORDS.items()}


@dataclass(frozen=True, slots=True)
class Source:
    """A text in lines, plain and coloured."""

    texts: tuple[str, ...]
    lines: tuple[Line, ...]


def source(text: str, *, python: bool = False) -> Source:
    """`text` in coloured lines; line ends of every kind count as one, and the one at the end begins no line."""
    texts = tuple(text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n"))
    within, lines = "", []
    for each in texts:
        line, within = _read(each, within, python)
        lines.append(line)
    return Source(texts, tuple(lines))


@lru_cache(maxsize=100_000)
def _read(text: str, within: str, python: bool) -> tuple[Line, str]:
    """A line in pieces. `within` is what ends the comment or string that it begins in; the second value is that of the next line."""
    pieces: list[Piece] = []
    position = 0
    if within:
        end = text.find(within)
        position = len(text) if end < 0 else end + len(within)
        pieces.append(("string" if python else "comment", text[:position]))
        if end < 0:
            return _joined(pieces), within
    open_ = ""
    for match in (_PYTHON if python else _CUDA).finditer(text, position):
        pieces.append(("", text[position : match.start()]))
        pieces.append((_kind(match, text, python), match.group()))
        position = match.end()
        open_ = _left_open(match, python)
    pieces.append(("", text[position:]))
    return _joined(pieces), open_


def _left_open(match: re.Match[str], python: bool) -> str:
    """What must come for the piece to end, when the line ended first."""
    found = match.group()
    if python:
        quote = match["quote"] if match.lastgroup == "long" else ""
        return quote if quote and not (found.endswith(quote) and found.count(quote) > 1) else ""
    return "*/" if found.startswith("/*") and not (found.endswith("*/") and len(found) > 3) else ""


def _kind(match: re.Match[str], text: str, python: bool) -> str:
    group, word = match.lastgroup or "", match.group()
    if group != "word":
        return {"long": "string", "header": "string", "launch": "kernel"}.get(group, group)
    after = text[match.end() : match.end() + 3].lstrip()
    if python:
        return "keyword" if keyword.iskeyword(word) else "call" if after.startswith("(") else ""
    return _word(word, called=after.startswith(("(", "<<<")))


def _word(word: str, *, called: bool) -> str:
    kind = next((kind for kind, shape in _SHAPES.items() if shape.fullmatch(word)), "")
    if kind in ("", "called"):
        return "call" if called else "type" if kind else ""
    return kind


def _joined(pieces: list[Piece]) -> Line:
    """Without empty pieces, neighbours of one kind as one."""
    found: list[Piece] = []
    for kind, text in pieces:
        if text and found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + text)
        elif text:
            found.append((kind, text))
    return tuple(found)
