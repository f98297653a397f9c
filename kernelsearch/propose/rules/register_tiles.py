"""A matrix product with 4 by 4 elements of the result in each thread's registers: sixteen products for eight shared loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import ceiling
from kernelsearch.propose.rules.tile import Plane, Product, planes, product
from kernelsearch.source import Kernel, Tree, apply

_EACH = 4  # elements of the result a thread holds along either side
_SIDE = 16  # threads along either side of the block, and the depth of a tile
_TILE = _EACH * _SIDE
_OWN = {"tile_a", "tile_b", "part", "step", "corner_row", "corner_col"}


class RegisterTiles:
    """For the same kernels as `tile-matmul`, where blocks are 16 by 16 or can be made so, and the sum begins at zero."""

    name = "register-tiles"
    relieves = (Resource.L2, Resource.DRAM_BANDWIDTH, Resource.COMPUTE, Resource.LATENCY, Resource.UNCOALESCED)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        for tree, kernel, found, all_launches in planes(program.source, (_SIDE,)):
            wanted = product(tree, kernel, found)
            text = _body(tree, kernel, found, wanted) if wanted and all_launches.owned(kernel.name) else ""
            if text:
                grids = [edit for axis in (0, 1) for edit in all_launches.rescale(kernel.name, partial(ceiling, by=_EACH), axis)]
                first = syntax.statements(syntax.body(tree, kernel))[0]
                source = apply(tree.text, [syntax.anew(tree, first.start_byte, found.last.end_byte, text), *grids])
                summary = f"{_EACH}x{_EACH} elements in the registers of each thread of {kernel.name}"
                yield Rewrite(source=source, flags=program.flags, directive=self.name, summary=summary)


def _body(tree: Tree, kernel: Kernel, found: Plane, p: Product) -> str:
    """The kernel's statements, written anew; empty when its names or its sum do not fit."""
    if len(p.before) != 1 or syntax.names(tree, syntax.body(tree, kernel)) & _OWN:
        return ""
    declared = re.fullmatch(rf"(\w+) {p.total}\s*=\s*(?:0|0?\.0*|0\.)[fF]?;", tree.text_of(p.before[0]))
    if declared is None:
        return ""
    types, indent = {q.name: q.type for q in kernel.parameters}, syntax.indent(tree, found.guard.start_byte)
    row_end, col_end = found.ends[p.row], found.ends[p.col]
    lines = [
        f"__shared__ {types[p.left]} tile_a[{_SIDE}][{_TILE} + 1];",
        f"__shared__ {types[p.right]} tile_b[{_SIDE}][{_TILE}];",
        f"int corner_row = blockIdx.{found.axes[p.row]} * {_TILE}, corner_col = blockIdx.{found.axes[p.col]} * {_TILE};",
        f"{declared[1]} part[{_EACH}][{_EACH}] = {{}};",
        f"for (int step = 0; step < {p.inner}; step += {_SIDE}) {{",
        f"    for (int at = threadIdx.y * {_SIDE} + threadIdx.x; at < {_SIDE * _TILE}; at += {_SIDE * _SIDE}) {{",
        f"        int a_row = corner_row + at / {_SIDE}, a_col = step + at % {_SIDE};",
        f"        int b_row = step + at / {_TILE}, b_col = corner_col + at % {_TILE};",
        f"        tile_a[at % {_SIDE}][at / {_SIDE}] = a_row < {row_end} && a_col < {p.inner}"
        f" ? {p.left}[a_row * {p.inner} + a_col] : ({types[p.left]})0;",
        f"        tile_b[at / {_TILE}][at % {_TILE}] = b_row < {p.inner} && b_col < {col_end}"
        f" ? {p.right}[b_row * {p.width} + b_col] : ({types[p.right]})0;",
        "    }",
        "    __syncthreads();",
        f"    for (int i = 0; i < {_SIDE}; ++i) {{",
        "        #pragma unroll",
        f"        for (int down = 0; down < {_EACH}; ++down) {{",
        "            #pragma unroll",
        f"            for (int across = 0; across < {_EACH}; ++across) {{",
        f"                part[down][across] += tile_a[i][threadIdx.y * {_EACH} + down] * tile_b[i][threadIdx.x + across * {_SIDE}];",
        "            }",
        "        }",
        "    }",
        "    __syncthreads();",
        "}",
        "#pragma unroll",
        f"for (int down = 0; down < {_EACH}; ++down) {{",
        "    #pragma unroll",
        f"    for (int across = 0; across < {_EACH}; ++across) {{",
        f"        int {p.row} = corner_row + threadIdx.y * {_EACH} + down, {p.col} = corner_col + threadIdx.x + across * {_SIDE};",
        f"        if ({p.row} < {row_end} && {p.col} < {col_end}) {{",
        f"            {declared[1]} {p.total} = part[down][across];",
        *(f"            {tree.text_of(node)}" for node in p.after),
        "        }",
        "    }",
        "}",
    ]
    return f"\n{indent}".join(lines)
