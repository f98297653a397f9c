"""Each thread adds several elements in a register before its block's tree: fewer blocks, fewer barriers, fewer atomics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import ceiling, read_launches
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse, shared_arrays

_FIRST = re.compile(r"(?P<array>\w+)\[(?P<t>[\w.]+)\]=\(?(?P<i>\w+)<(?P<n>\w+)\)?\?(?P<value>[^?:]+):\(?0(?:\.0*)?[fF]?\)?;")


class SerialPartials:
    """For kernels that put one element a thread into shared memory, zero beyond the end, and add the block's sum atomically."""

    name = "serial-partials"
    relieves = (Resource.LATENCY, Resource.DRAM_BANDWIDTH, Resource.COMPUTE, Resource.SHARED_CONFLICTS, Resource.LAUNCH)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        for kernel in kernels(program.source):
            found = _recognise(tree, kernel)
            if found is None or not all_launches.of(kernel.name) or not all_launches.owned(kernel.name):
                continue
            for count in (8, 32, 4):
                grids = all_launches.rescale(kernel.name, partial(ceiling, by=count))
                source = apply(program.source, [_edit(tree, kernel, *found), *grids])
                summary = f"each thread of {kernel.name} adds {count} elements first"
                yield Rewrite(source=source, flags=program.flags, directive=f"{self.name}-{count}", summary=summary)


def _recognise(tree: Tree, kernel: Kernel) -> tuple[Node, re.Match[str]] | None:
    body = syntax.body(tree, kernel)
    indices = {found[0]: node for node in syntax.statements(body) if (found := syntax.thread_index(tree, node)) and found[1] == "x"}
    if not any("atomicAdd" in name for name in syntax.calls(tree, body)) or "gridDim" in tree.text_of(body):
        return None
    shared = {array.name for array in shared_arrays(tree.text)}
    for node in syntax.statements(body):
        match = _FIRST.fullmatch(syntax.squeeze(tree.text_of(node)))
        if match is None or match["array"] not in shared or match["i"] not in indices or "const" in tree.text_of(indices[match["i"]]):
            continue
        uses = sum(tree.text_of(name) == match["i"] for name in tree.walk("identifier", under=body))
        inside = sum(tree.text_of(name) == match["i"] for name in tree.walk("identifier", under=node))
        if uses == inside + 1:  # and where it is declared
            return node, match
    return None


def _edit(tree: Tree, kernel: Kernel, node: Node, match: re.Match[str]) -> Edit:
    taken = syntax.names(tree, syntax.body(tree, kernel))
    total = next(name for name in ("own", "own_sum", "sum_of_thread") if name not in taken)
    kind = next(array.type for array in shared_arrays(tree.text) if array.name == match["array"])
    indent, i = syntax.indent(tree, node.start_byte), match["i"]
    written = tree.text_of(node)
    value = written[written.index("?") + 1 : written.rindex(":")].strip()
    zero = written[written.rindex(":") + 1 :].strip().rstrip(";").strip()
    lines = [
        f"{kind} {total} = {zero};",
        f"for (; {i} < {match['n']}; {i} += blockDim.x * gridDim.x) {{",
        f"    {total} += {value};",
        "}",
        f"{written[: written.index('=')].strip()} = {total};",
    ]
    return syntax.anew(tree, node.start_byte, node.end_byte, f"\n{indent}".join(lines))
