"""Another block size, with the grid that follows from it.

The size is changed where it is written. A named constant takes the whole program with it. A literal is changed in the launch, and in
a grid that divides by the same literal; a kernel that holds the literal too depends on it and is left alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import Extent, Geometry, Launches, read_launches
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse

_ONE = ((256,), (128,), (512,), (64,), (1024,))
_TWO = ((32, 8), (16, 16), (32, 4), (8, 32), (64, 4), (32, 16), (32, 32), (8, 8), (128, 2))
_MAX_THREADS = 1024


class BlockSize:
    """One rewrite for each kernel and size; kernels that share a named constant change together."""

    name = "block-size"
    relieves = (Resource.OCCUPANCY, Resource.LATENCY, Resource.LAUNCH, Resource.UNCOALESCED)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        all_launches = read_launches(program.source)
        for kernel in kernels(program.source):
            geometries = all_launches.of(kernel.name)
            if not geometries:
                continue
            present = all_launches.block(geometries[0])
            for size in _ONE if len(geometries[0].block) == 1 else _TWO:
                edits = None if size == present else _edits(parse(program.source), all_launches, kernel, size)
                if edits:
                    shape = "x".join(map(str, size))
                    source = apply(program.source, edits)
                    summary = f"blocks of {shape} threads for {kernel.name}"
                    yield Rewrite(source=source, flags=program.flags, directive=f"{self.name}-{shape}", summary=summary)


def resized(source: str, kernel: Kernel, size: tuple[int, ...]) -> str | None:
    """`source` with blocks of `size` for `kernel`; None when that cannot be done safely."""
    edits = _edits(parse(source), read_launches(source), kernel, size)
    return None if edits is None else apply(source, edits)


def _edits(tree: Tree, all_launches: Launches, kernel: Kernel, size: tuple[int, ...]) -> list[Edit] | None:
    """The edits that give every launch of `kernel` blocks of `size`; None when that cannot be done safely."""
    found: dict[tuple[int, int], str] = {}
    lengths = list(_array_lengths(tree, kernel)) if len(size) == 1 else []
    literals = {tree.text_of(n) for n in tree.walk("number_literal", under=syntax.body(tree, kernel)) if n not in lengths}
    for geometry in all_launches.of(kernel.name):
        present = all_launches.block(geometry)
        if present is None or len(present) != len(size) or math.prod(size) > _MAX_THREADS:
            return None
        for axis, (old, new) in enumerate(zip(present, size, strict=True)):
            constant = all_launches.constants.get(geometry.block[axis].text)
            if old != new and str(old) in literals:
                return None
            if constant is not None:
                if found.setdefault((constant.start, constant.end), str(new)) != str(new):
                    return None  # one constant for two axes that would differ
            elif not geometry.block[axis].text.isdigit():
                return None
            elif old != new:
                if _coupled(tree, all_launches, geometry, old):
                    return None
                grid = _grid(geometry, axis, old, new)
                if grid is None:
                    return None
                found.update({(geometry.block[axis].start, geometry.block[axis].end): str(new), **grid})
                found.update({(n.start_byte, n.end_byte): str(new) for n in lengths if tree.text_of(n) == str(old)})
        found.update(_bounds(tree, kernel, math.prod(present), math.prod(size)))
    if not all_launches.owned(kernel.name) and not any((c.start, c.end) in found for c in all_launches.constants.values()):
        return None
    return [Edit(start, end, text) for (start, end), text in found.items()]


def _coupled(tree: Tree, all_launches: Launches, geometry: Geometry, old: int) -> bool:
    """Whether another kernel has the same grid, or a scratch buffer the literal in its length: then the block means something there."""
    grid = [extent.text for extent in geometry.grid]
    others = any(g.kernel != geometry.kernel and [e.text for e in g.grid] == grid for g in all_launches.all)
    buffers = (tree.text_of(comment) for comment in tree.walk("comment"))
    return others or any(re.match(rf"//\s*scratch:.*\b{old}\b", text) for text in buffers)


def _array_lengths(tree: Tree, kernel: Kernel) -> Iterator[Node]:
    """The literal dimensions of the kernel's shared arrays."""
    for node in tree.walk("declaration", under=syntax.body(tree, kernel)):
        if any(tree.text_of(child) == "__shared__" for child in node.children):
            for array in tree.walk("array_declarator", under=node):
                size = array.child_by_field_name("size")
                if size is not None and size.type == "number_literal":
                    yield size


def _grid(geometry: Geometry, axis: int, old: int, new: int) -> dict[tuple[int, int], str] | None:
    """The grid dimension that divides by the old literal, dividing by the new one; None when it uses the literal in another way."""
    if axis >= len(geometry.grid):
        return {}
    extent: Extent = geometry.grid[axis]
    text = extent.text
    if re.search(r"\w\.[xyz]\b", text):  # it follows a dim3 variable, most likely the block
        return {}
    if geometry.plan:
        text = re.sub(rf"(\bcdiv\(.*,\s*){old}(\s*\))", rf"\g<1>{new}\g<2>", text)
    text = re.sub(rf"\+\s*{old - 1}(\s*\)\s*//?\s*){old}\b", rf"+ {new - 1}\g<1>{new}", text)
    text = re.sub(rf"\+\s*{old}(\s*-\s*1\s*\)\s*//?\s*){old}\b", rf"+ {new}\g<1>{new}", text)
    if re.search(rf"\b({old}|{old - 1})\b", text):
        return None
    return {} if text == extent.text else {(extent.start, extent.end): text}


def _bounds(tree: Tree, kernel: Kernel, old: int, new: int) -> dict[tuple[int, int], str]:
    if not kernel.launch_bounds or kernel.launch_bounds[0] != str(old):
        return {}
    literal = next(node for node in tree.walk("launch_bounds") if kernel.start <= node.start_byte < kernel.end).named_children[0]
    return {(literal.start_byte, literal.end_byte): str(new)}
