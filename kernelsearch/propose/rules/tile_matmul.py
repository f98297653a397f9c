"""A matrix product by tiles in shared memory: each element is loaded once a block instead of once a thread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import Launches
from kernelsearch.propose.rules.tile import Plane, linear, plane
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse


@dataclass(frozen=True, slots=True)
class _Product:
    """`for (k = 0; k < inner; ++k) sum += left[row * inner + k] * right[k * width + col]`."""

    loop: Node
    total: str
    inner: str
    left: str
    right: str
    row: str
    col: str
    width: str


class TileMatmul:
    """For kernels with one thread an element that sum such a product into a local variable."""

    name = "tile-matmul"
    relieves = (Resource.L2, Resource.DRAM_BANDWIDTH, Resource.UNCOALESCED, Resource.LATENCY)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), Launches(program.source)
        for kernel in kernels(program.source):
            found = plane(tree, all_launches, kernel)
            products = [_read(tree, found, node) for node in found.work] if found else []
            wanted = [product for product in products if product is not None]
            if found is None or len(wanted) != 1:
                continue
            edits = _edits(tree, kernel, found, wanted[0])
            if edits:
                summary = f"multiply {found.side}x{found.side} tiles in shared memory in {kernel.name}"
                yield Rewrite(source=apply(program.source, edits), flags=program.flags, directive=self.name, summary=summary)


def _read(tree: Tree, found: Plane, node: Node) -> _Product | None:
    loop = syntax.loop(tree, node)
    statements = syntax.statements(loop.body) if loop else []
    if loop is None or len(statements) != 1 or tree.text_of(loop.start) != "0":
        return None
    text = syntax.squeeze(tree.text_of(statements[0]))
    match = re.fullmatch(r"(\w+)\+=(\w+)\[([^\[\]]+)\]\*(\w+)\[([^\[\]]+)\];", text)
    if match is None:
        return None
    total, inner = match[1], tree.text_of(loop.bound)
    for left, a, right, b in ((match[2], match[3], match[4], match[5]), (match[4], match[5], match[2], match[3])):
        first, second = linear(a), linear(b)
        if first is None or second is None or first[1:] != (inner, loop.var) or second[0] != loop.var:
            continue
        row, col, width = first[0], second[2], second[1]
        if {row, col} == set(found.axes) and found.ends[col] == width:
            return _Product(node, total, inner, left, right, row, col, width)
    return None


def _edits(tree: Tree, kernel: Kernel, found: Plane, product: _Product) -> list[Edit]:
    """Declarations before the loop leave the guard, the loop becomes the tiled one for all threads, and what follows is guarded."""
    position = found.work.index(product.loop)
    before, after = found.work[:position], found.work[position + 1 :]
    types = {p.name: p.type for p in kernel.parameters}
    plain = all(node.type == "declaration" and not any(True for _ in tree.walk("subscript_expression", under=node)) for node in before)
    if not plain or not after or product.total not in {name for node in before for name in syntax.changed(tree, node)}:
        return []
    if {product.left, product.right} - types.keys() or syntax.names(tree, syntax.body(tree, kernel)) & {"tile_a", "tile_b", "step"}:
        return []
    indent = syntax.indent(tree, found.guard.start_byte)
    guard = " && ".join(f"{name} < {end}" for name, end in found.ends.items())
    stores = "\n".join(f"{indent}    {tree.text_of(node)}" for node in after)
    head = "".join(f"{tree.text_of(node)}\n{indent}" for node in before)
    text = f"{head}{_loop(found, product, types, indent)}\n{indent}if ({guard}) {{\n{stores}\n{indent}}}"
    return [syntax.anew(tree, found.guard.start_byte, found.last.end_byte, text)]


def _loop(found: Plane, p: _Product, types: dict[str, str], indent: str) -> str:
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
