"""One more column in two-dimensional shared arrays, so that a column's elements lie in different banks."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.source import Edit, SharedArray, Tree, apply, parse, shared_arrays

_SUBSCRIPT = "subscript_expression"


class PadShared:
    """Pads arrays that are only ever fully subscripted: then no address depends on the row length."""

    name = "pad-shared"
    relieves = (Resource.SHARED_CONFLICTS,)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree = parse(program.source)
        found = shared_arrays(program.source)
        unique = [a for a in found if [b.name for b in found].count(a.name) == 1]
        edits = [
            _edit(tree, array) for array in unique if len(array.dims) >= 2 and "+ 1" not in array.dims[-1] and _subscripted(tree, array)
        ]
        if edits:
            source = apply(program.source, edits)
            yield Rewrite(source=source, flags=program.flags, directive=self.name, summary="pad rows of shared arrays by one element")


def _subscripted(tree: Tree, array: SharedArray) -> bool:
    for use in tree.walk("identifier"):
        if tree.text_of(use) != array.name or array.start <= use.start_byte < array.end:
            continue
        node, depth = use, 0
        while (parent := node.parent) is not None and parent.child_by_field_name("argument") == node and parent.type == _SUBSCRIPT:
            node, depth = parent, depth + 1
        if depth != len(array.dims) or (node.parent is not None and node.parent.type == "pointer_expression"):
            return False
    return True


def _edit(tree: Tree, array: SharedArray) -> Edit:
    """The name's own last dimension: its declaration may hold other variables."""
    for node in tree.walk("array_declarator"):
        size, inner = node.child_by_field_name("size"), node.child_by_field_name("declarator")
        if size is None or inner is None or not array.start <= node.start_byte < array.end:
            continue
        if next(tree.text_of(name) for name in tree.walk("identifier", under=node)) == array.name:
            return Edit(size.end_byte, size.end_byte, " + 1")
    raise ValueError(f"{array.name} has no dimension")
