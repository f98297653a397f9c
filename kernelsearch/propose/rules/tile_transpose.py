"""A transposition through a padded tile in shared memory, so that both the reads and the writes of a warp are contiguous."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.tile import Plane, linear, planes
from kernelsearch.source import Kernel, Node, Tree, apply

_SIDES = (32, 16)  # as wide as a warp first


class TileTranspose:
    """For kernels whose one statement is `out[c * R + r] = in[r * C + c]`."""

    name = "tile-transpose"
    relieves = (Resource.UNCOALESCED, Resource.DRAM_BANDWIDTH, Resource.L2)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        for tree, kernel, found, _ in planes(program.source, _SIDES):
            text = _tiled(tree, kernel, found)
            if text is not None:
                statements = syntax.statements(syntax.body(tree, kernel))
                edit = syntax.anew(tree, statements[0].start_byte, statements[-1].end_byte, text)
                yield Rewrite(
                    source=apply(tree.text, [edit]),
                    flags=program.flags,
                    directive=f"{self.name}-{found.side}",
                    summary=f"transpose {found.side}x{found.side} tiles through shared memory in {kernel.name}",
                )


def _tiled(tree: Tree, kernel: Kernel, found: Plane) -> str | None:
    """The kernel's new body. A block keeps the corner it had; within it, x runs along the contiguous side of whatever it touches."""
    if len(found.work) != 1 or found.work[0].type != "expression_statement":
        return None
    assignment = found.work[0].named_children[0]
    left, right = assignment.child_by_field_name("left"), assignment.child_by_field_name("right")
    if assignment.type != "assignment_expression" or left is None or right is None or assignment.children[1].type != "=":
        return None
    written, read = (_element(tree, kernel, node) for node in (left, right))
    if written is None or read is None:
        return None
    target, (c, rows, r) = written
    origin, (r_too, cols, c_too) = read
    if (r, c) != (r_too, c_too) or {r, c} != set(found.axes) or found.ends[r] != rows or found.ends[c] != cols:
        return None
    kind = next(p.type for p in kernel.parameters if p.name == origin)
    row, col, side = found.axes[r], found.axes[c], found.side
    return f"""__shared__ {kind} tile[{side}][{side} + 1];
    int first_{r} = blockIdx.{row} * {side};
    int first_{c} = blockIdx.{col} * {side};
    int {r} = first_{r} + threadIdx.y;
    int {c} = first_{c} + threadIdx.x;
    if ({r} < {rows} && {c} < {cols}) {{
        tile[threadIdx.y][threadIdx.x] = {origin}[{r} * {cols} + {c}];
    }}
    __syncthreads();
    {r} = first_{r} + threadIdx.x;
    {c} = first_{c} + threadIdx.y;
    if ({r} < {rows} && {c} < {cols}) {{
        {target}[{c} * {rows} + {r}] = tile[threadIdx.x][threadIdx.y];
    }}"""


def _element(tree: Tree, kernel: Kernel, node: Node) -> tuple[str, tuple[str, str, str]] | None:
    """(buffer, its linear index) of `buffer[row * stride + column]`."""
    base, indices = node.child_by_field_name("argument"), node.child_by_field_name("indices")
    if node.type != "subscript_expression" or base is None or indices is None or len(indices.named_children) != 1:
        return None
    index = linear(tree.text_of(indices.named_children[0]))
    known = any(p.pointer and p.name == tree.text_of(base) for p in kernel.parameters)
    return (tree.text_of(base), index) if index and known else None
