"""A reduction tree in shared memory whose active threads lie side by side, and whose last steps are shuffles within one warp."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import read_launches
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse

_INTERLEAVED = re.compile(
    r"for\((?:unsigned)?(?:int)?(?P<s>\w+)=1;(?P=s)<blockDim\.x;(?P=s)(?:\*=2|<<=1)\)\{"
    r"if\((?P<t>\w+(?:\.x)?)%\((?:2\*(?P=s)|(?P=s)\*2)\)==0\)\{?(?P<a>\w+)\[(?P=t)\](?P<update>\+=(?P=a)\[(?P=t)\+(?P=s)\]);\}?__syncthreads\(\);\}"
)
_SEQUENTIAL = re.compile(
    r"for\((?:unsigned)?(?:int)?(?P<s>\w+)=blockDim\.x(?:/2|>>1);(?P=s)>0;(?P=s)(?:/=2|>>=1)\)\{"
    r"if\((?P<t>\w+(?:\.x)?)<(?P=s)\)\{?(?P<a>\w+)\[(?P=t)\]\+=(?P=a)\[(?P=t)\+(?P=s)\];\}?__syncthreads\(\);\}"
)


class TreeReduction:
    """For sums over blocks whose size is a power of two of at least two warps."""

    name = "tree-reduction"
    relieves = (Resource.SHARED_CONFLICTS, Resource.LATENCY, Resource.COMPUTE)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        for kernel in kernels(program.source):
            blocks = [all_launches.block(geometry) for geometry in all_launches.of(kernel.name)]
            if not blocks or not all(block and len(block) == 1 and block[0] >= 64 and block[0] & (block[0] - 1) == 0 for block in blocks):
                continue
            for node in tree.walk("for_statement", under=syntax.body(tree, kernel)):
                text = syntax.squeeze(tree.text_of(node))
                interleaved = _INTERLEAVED.fullmatch(text)
                match = interleaved or _SEQUENTIAL.fullmatch(text)
                if match is None or not _is_thread(tree, kernel, match["t"]):
                    continue
                if interleaved:
                    edit = _sequential(tree, node, interleaved)
                    yield self._rewrite(program, edit, "-sequential", f"neighbouring threads add in {kernel.name}")
                edit = _shuffled(tree, kernel, node, match)
                yield self._rewrite(program, edit, "-shuffle", f"the last warp of {kernel.name} adds by shuffles")

    def _rewrite(self, program: Program, edit: Edit, suffix: str, summary: str) -> Rewrite:
        return Rewrite(source=apply(program.source, [edit]), flags=program.flags, directive=self.name + suffix, summary=summary)


def _is_thread(tree: Tree, kernel: Kernel, name: str) -> bool:
    """Whether an index is the thread's number in its block."""
    declared = re.search(rf"{re.escape(name)}=threadIdx\.x;", syntax.squeeze(tree.text_of(syntax.body(tree, kernel))))
    return name == "threadIdx.x" or declared is not None


def _sequential(tree: Tree, node: Node, match: re.Match[str]) -> Edit:
    return syntax.anew(tree, node.start_byte, node.end_byte, "\n".join(_halving(match, "0", syntax.indent(tree, node.start_byte))))


def _halving(match: re.Match[str], until: str, indent: str) -> list[str]:
    s, t, a = match["s"], match["t"], match["a"]
    return [
        f"for (int {s} = blockDim.x / 2; {s} > {until}; {s} /= 2) {{",
        f"{indent}    if ({t} < {s}) {{",
        f"{indent}        {a}[{t}] += {a}[{t} + {s}];",
        f"{indent}    }}",
        f"{indent}    __syncthreads();",
        f"{indent}}}",
    ]


def _shuffled(tree: Tree, kernel: Kernel, node: Node, match: re.Match[str]) -> Edit:
    """Halve in shared memory down to one warp's values, then shuffle those; the sum lands where it did."""
    indent, t, a = syntax.indent(tree, node.start_byte), match["t"], match["a"]
    taken = syntax.names(tree, syntax.body(tree, kernel))
    total = next(name for name in ("warp_sum", "warp_total", "sum_of_warp") if name not in taken)
    lines = [
        *_halving(match, "16", indent),
        f"{indent}if ({t} < 32) {{",
        f"{indent}    auto {total} = {a}[{t}];",
        f"{indent}    for (int offset = 16; offset > 0; offset /= 2) {{",
        f"{indent}        {total} += __shfl_down_sync(0xffffffffu, {total}, offset);",
        f"{indent}    }}",
        f"{indent}    if ({t} == 0) {{",
        f"{indent}        {a}[0] = {total};",
        f"{indent}    }}",
        f"{indent}}}",
        f"{indent}__syncthreads();",
    ]
    return syntax.anew(tree, node.start_byte, node.end_byte, "\n".join(lines))
