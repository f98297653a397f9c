"""`__launch_bounds__`, so that the compiler knows how many threads it must leave registers for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import Launches, read_launches
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse

_THREADS_PER_SM = 2048  # of every architecture with 64 KiB registers but sm_86 and sm_89, where the compiler lowers the promise


class LaunchBounds:
    """For kernels without bounds whose blocks have a constant size: the size alone, and with 2, 4 or 8 resident blocks."""

    name = "launch-bounds"
    relieves = (Resource.OCCUPANCY, Resource.SPILLS, Resource.LATENCY)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        bare = [kernel for kernel in kernels(program.source) if not kernel.launch_bounds and not kernel.template]
        sizes = {kernel.name: _threads(all_launches, kernel) for kernel in bare}
        for blocks in (1, 2, 4, 8):
            chosen = [k for k in bare if (size := sizes[k.name]) and size * blocks <= _THREADS_PER_SM]
            edits = [_edit(tree, kernel, sizes[kernel.name], blocks) for kernel in chosen]
            if edits:
                yield Rewrite(
                    source=apply(program.source, edits),
                    flags=program.flags,
                    directive=self.name if blocks == 1 else f"{self.name}-{blocks}",
                    summary="promise the block size" + (f" and {blocks} resident blocks" if blocks > 1 else ""),
                )


def _threads(all_launches: Launches, kernel: Kernel) -> int:
    """The largest block that the kernel is launched with; 0 when that is not known."""
    blocks = [all_launches.block(geometry) for geometry in all_launches.of(kernel.name)]
    known = [math.prod(block) for block in blocks if block is not None]
    return max(known) if known and len(known) == len(blocks) and max(known) <= 1024 else 0


def _edit(tree: Tree, kernel: Kernel, threads: int, blocks: int) -> Edit:
    definition: Node | None = syntax.body(tree, kernel).parent
    declarator = definition.child_by_field_name("declarator") if definition else None
    place = declarator.start_byte if declarator is not None else kernel.start
    return Edit(place, place, f"__launch_bounds__({threads}{f', {blocks}' if blocks > 1 else ''}) ")
