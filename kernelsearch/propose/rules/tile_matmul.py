"""A matrix product by tiles in shared memory: each element is loaded once a block instead of once a thread."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.tile import Plane, Product, planes, product
from kernelsearch.source import Edit, Kernel, Tree, apply

_SIDES = (16, 32)


class TileMatmul:
    """For kernels with one thread an element that sum such a product into a local variable."""

    name = "tile-matmul"
    relieves = (Resource.L2, Resource.DRAM_BANDWIDTH, Resource.UNCOALESCED, Resource.LATENCY)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        for tree, kernel, found, _ in planes(program.source, _SIDES):
            wanted = product(tree, kernel, found)
            if wanted and (edits := _edits(tree, kernel, found, wanted)):
                yield Rewrite(
                    source=apply(tree.text, edits),
                    flags=program.flags,
                    directive=f"{self.name}-{found.side}",
                    summary=f"multiply {found.side}x{found.side} tiles in shared memory in {kernel.name}",
                )


def _edits(tree: Tree, kernel: Kernel, found: Plane, p: Product) -> list[Edit]:
    """Declarations before the loop leave the guard, the loop becomes the tiled one for all threads, and what follows is guarded."""
    types = {p.name: p.type for p in kernel.parameters}
    if syntax.names(tree, syntax.body(tree, kernel)) & {"tile_a", "tile_b", "step"}:
        return []
    indent = syntax.indent(tree, found.guard.start_byte)
    guard = " && ".join(f"{name} < {end}" for name, end in found.ends.items())
    stores = "\n".join(f"{indent}    {tree.text_of(node)}" for node in p.after)
    head = "".join(f"{tree.text_of(node)}\n{indent}" for node in p.before)
    text = f"{head}{_loop(found, p, types, indent)}\n{indent}if ({guard}) {{\n{stores}\n{indent}}}"
    return [syntax.anew(tree, found.guard.start_byte, found.last.end_byte, text)]


def _loop(found: Plane, p: Product, types: dict[str, str], indent: str) -> str:
    side, row, col = found.side, f"threadIdx.{found.axes[p.row]}", f"threadIdx.{found.axes[p.col]}"
    corner = f"blockIdx.{found.axes[p.row]} * {side}", f"blockIdx.{found.axes[p.col]} * {side}"
    lines = [
        f"__shared__ {types[p.left]} tile_a[{side}][{side} + 1];",
        f"__shared__ {types[p.right]} tile_b[{side}][{side} + 1];",
        f"int load_row = {corner[0]} + threadIdx.y;",
        f"int load_col = {corner[1]} + threadIdx.x;",
        f"for (int step = 0; step < {p.inner}; step += {side}) {{",
        "    int a_col = step + threadIdx.x, b_row = step + threadIdx.y;",
        f"    tile_a[threadIdx.y][threadIdx.x] = load_row < {found.ends[p.row]} && a_col < {p.inner}"
        f" ? {p.left}[load_row * {p.inner} + a_col] : ({types[p.left]})0;",
        f"    tile_b[threadIdx.y][threadIdx.x] = b_row < {p.inner} && load_col < {p.width}"
        f" ? {p.right}[b_row * {p.width} + load_col] : ({types[p.right]})0;",
        "    __syncthreads();",
        "    #pragma unroll",
        f"    for (int i = 0; i < {side}; ++i) {{",
        f"        {p.total} += tile_a[{row}][i] * tile_b[i][{col}];",
        "    }",
        "    __syncthreads();",
        "}",
    ]
    return f"\n{indent}".join(lines)
