"""The thread axes x and y exchanged, in the kernel and in its launches: neighbouring threads then walk along the other dimension.

The meaning is unchanged whatever the kernel does with its indices, warp-level exchange excepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import Extent, Geometry, read_launches
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse

_BUILT_IN = ("threadIdx", "blockIdx", "blockDim", "gridDim")
_OTHER = {"x": "y", "y": "x"}
_MEMBER = re.compile(r"\b(\w+)\.([xy])\b")


class SwapAxes:
    """For kernels that use both axes and are launched with both."""

    name = "swap-thread-axes"
    relieves = (Resource.UNCOALESCED, Resource.L2, Resource.DRAM_BANDWIDTH, Resource.COMPUTE)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        for kernel in kernels(program.source):
            geometries = all_launches.of(kernel.name)
            members = list(_members(tree, kernel))
            axes = {tree.text_of(member) for member in members}
            if not geometries or axes != {"x", "y"} or not all(len(g.grid) > 1 and len(g.block) > 1 for g in geometries):
                continue
            if not all_launches.owned(kernel.name) or (syntax.synchronises(tree, syntax.body(tree, kernel)) and _shuffles(tree, kernel)):
                continue
            edits = {(edit.start, edit.end): edit for geometry in geometries for edit in _exchanged(geometry)}
            inside = [Edit(member.start_byte, member.end_byte, _OTHER[tree.text_of(member)]) for member in members]
            source = apply(program.source, [*edits.values(), *inside])
            summary = f"exchange the roles of threadIdx.x and threadIdx.y in {kernel.name}"
            yield Rewrite(source=source, flags=program.flags, directive=self.name, summary=summary)


def _members(tree: Tree, kernel: Kernel) -> Iterator[Node]:
    for node in tree.walk("field_expression", under=syntax.body(tree, kernel)):
        argument, field = node.child_by_field_name("argument"), node.child_by_field_name("field")
        if argument is not None and field is not None and tree.text_of(argument) in _BUILT_IN and tree.text_of(field) in _OTHER:
            yield field


def _shuffles(tree: Tree, kernel: Kernel) -> bool:
    return any(re.search(r"shfl|ballot|tiled_partition|syncwarp", name) for name in syntax.calls(tree, syntax.body(tree, kernel)))


def _exchanged(geometry: Geometry) -> Iterator[Edit]:
    for extents in (geometry.grid, geometry.block):
        yield _put(extents[0], extents[1].text)
        yield _put(extents[1], extents[0].text)


def _put(place: Extent, text: str) -> Edit:
    """A dimension in another's place; what it says of the block's axes (`block.x`) follows the block."""
    return Edit(place.start, place.end, _MEMBER.sub(lambda m: f"{m[1]}.{_OTHER[m[2]]}", text))
