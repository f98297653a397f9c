"""The tree itself: parsing, walking, and edits by byte range.

The grammar does not know every CUDA attribute. Those it trips over are blanked out, byte for byte, before parsing: a tree's offsets
are always those of the text as written, and `Tree.text_of` gives the text as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import tree_sitter
import tree_sitter_cuda

Node: TypeAlias = tree_sitter.Node

_LANGUAGE = tree_sitter.Language(tree_sitter_cuda.language())
_UNKNOWN_ATTRIBUTES = re.compile(
    rb"__(?:align|maxnreg|cluster_dims|block_size)__\s*\([^()]*\)|__grid_constant__|(?<=\])\s*(?:__(?:host|device)__\s*)+"
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed source. `data` is the text in UTF-8, which offsets count in."""

    text: str
    data: bytes
    root: Node

    def text_of(self, node: Node) -> str:
        return self.slice(node.start_byte, node.end_byte)

    def slice(self, start: int, end: int) -> str:
        return _decode(self.data[start:end])

    def line(self, offset: int) -> int:
        """The line that a byte offset lies on, from 1."""
        return self.data.count(b"\n", 0, offset) + 1

    def walk(self, *kinds: str, under: Node | None = None) -> Iterator[Node]:
        """Nodes of these kinds (all kinds when none is named) at or below `under`, in source order."""
        pending = [under or self.root]
        while pending:
            node = pending.pop()
            if not kinds or node.type in kinds:
                yield node
            pending.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in place of the bytes from `start` to `end`; an insertion when they are equal."""

    start: int
    end: int
    text: str


class EditsOverlap(ValueError):
    """Two edits of one text want the same bytes: what they were made for does not fit this text."""


def apply(text: str, edits: Iterable[Edit]) -> str:
    """`text` after all edits, whose ranges refer to `text` as given. Raises `EditsOverlap`."""
    data = _encode(text)
    pieces: list[bytes] = []
    position = 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        if edit.start < position:
            raise EditsOverlap(f"edits overlap at byte {edit.start}")
        pieces += [data[position : edit.start], _encode(edit.text)]
        position = edit.end
    return _decode(b"".join([*pieces, data[position:]]))


@lru_cache(maxsize=64)
def parse(text: str) -> Tree:
    """The syntax tree of any text; what does not parse becomes ERROR nodes in it."""
    data = _encode(text)
    masked = _UNKNOWN_ATTRIBUTES.sub(lambda match: b" " * len(match.group()), data)
    return Tree(text, data, tree_sitter.Parser(_LANGUAGE).parse(masked).root_node)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
