"""Several elements a thread, a block's width apart: fewer blocks, and more independent loads in flight."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.elementwise import Elementwise, elementwise
from kernelsearch.propose.rules.geometry import ceiling, read_launches
from kernelsearch.source import Edit, Kernel, Tree, apply, kernels, parse


class Coarsen:
    """For kernels with one thread an element: 4, 2 or 8 of them, each guarded."""

    name = "coarsen"
    relieves = (Resource.LATENCY, Resource.LAUNCH, Resource.DRAM_BANDWIDTH, Resource.COMPUTE)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        for kernel in kernels(program.source):
            found = elementwise(tree, kernel)
            if found is None or _loops(tree, found) or not all_launches.of(kernel.name) or not all_launches.owned(kernel.name):
                continue
            for count in (4, 2, 8):
                grids = all_launches.rescale(kernel.name, partial(ceiling, by=count))
                source = apply(program.source, [*_edits(tree, kernel, found, count), *grids])
                summary = f"{count} elements for each thread of {kernel.name}"
                yield Rewrite(source=source, flags=program.flags, directive=f"{self.name}-{count}", summary=summary)


def _loops(tree: Tree, found: Elementwise) -> bool:
    """Whether an element is much work by itself."""
    return any(True for node in found.work for _ in tree.walk("for_statement", "while_statement", under=node))


def _edits(tree: Tree, kernel: Kernel, found: Elementwise, count: int) -> list[Edit]:
    """The index becomes that of the first element; the guard and the work go into a loop."""
    taken = syntax.names(tree, syntax.body(tree, kernel))
    first = next(name for name in ("first", "first_element", "first_of_thread") if name not in taken)
    indent = syntax.indent(tree, found.index.start_byte)
    work = syntax.between(tree, found.work[0], found.work[-1], f"{indent}        ")
    text = "\n".join(
        [
            f"{found.type} {first} = blockIdx.x * (blockDim.x * {count}) + threadIdx.x;",
            f"{indent}#pragma unroll",
            f"{indent}for (int part = 0; part < {count}; ++part) {{",
            f"{indent}    {found.type} {found.var} = {first} + part * blockDim.x;",
            f"{indent}    if ({found.var} < {found.end}) {{",
            f"{indent}        {work}",
            f"{indent}    }}",
            f"{indent}}}",
        ]
    )
    return [syntax.anew(tree, found.index.start_byte, found.last.end_byte, text)]
