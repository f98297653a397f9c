"""`#pragma unroll` on innermost loops: more independent work in flight, fewer branches."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.source import Edit, Node, Tree, apply, kernels, parse


class Unroll:
    """All innermost loops without such a pragma by 4, 8 or 2; fully where both ends of the loop are literals."""

    name = "unroll"
    relieves = (Resource.LATENCY, Resource.COMPUTE)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree = parse(program.source)
        bare = [node for kernel in kernels(program.source) for node in syntax.innermost_loops(tree, kernel) if _bare(tree, node)]
        if not bare:
            return
        for factor in (4, 8, 2):
            yield self._rewrite(program, [_pragma(tree, node, f" {factor}") for node in bare], f"-{factor}", f"by {factor}")
        counted = [node for node in bare if _literal_count(tree, node)]
        if counted:
            yield self._rewrite(program, [_pragma(tree, node, "") for node in counted], "-full", "fully")

    def _rewrite(self, program: Program, edits: list[Edit], suffix: str, how: str) -> Rewrite:
        source = apply(program.source, edits)
        return Rewrite(source=source, flags=program.flags, directive=self.name + suffix, summary=f"unroll innermost loops {how}")


def _bare(tree: Tree, node: Node) -> bool:
    before = node.prev_named_sibling
    unrolled = before is not None and before.type == "preproc_call" and "unroll" in tree.text_of(before)
    return syntax.begins_line(tree, node) and not unrolled


def _pragma(tree: Tree, node: Node, factor: str) -> Edit:
    return Edit(node.start_byte, node.start_byte, f"#pragma unroll{factor}\n{syntax.indent(tree, node.start_byte)}")


def _literal_count(tree: Tree, node: Node) -> bool:
    counted = syntax.loop(tree, node)
    return counted is not None and counted.start.type == counted.bound.type == "number_literal"
