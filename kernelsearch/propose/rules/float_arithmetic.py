"""Double literals, functions and variables to single precision, where no buffer of the task is double."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsearch.model import DType, Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.source import Edit, Node, Tree, apply, functions, parse

_DOUBLE = re.compile(r"(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?$")
_FUNCTIONS = re.compile(
    r"(acos|asin|atan2?|cbrt|ceil|copysign|cosh?|erfc?|exp|exp10|exp2|expm1|fabs|floor|fma|fmax|fmin|fmod|hypot|log|log10|log1p|log2"
    r"|pow|rint|round|rsqrt|sinh?|sqrt|tanh?|tgamma|trunc)$"
)


class FloatArithmetic:
    """Literals and functions in device code first; then `double` variables too, which changes how sums round."""

    name = "float-arithmetic"
    relieves = (Resource.COMPUTE, Resource.LATENCY)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        if any(arg.dtype is DType.F64 for arg in program.task.args):
            return
        tree = parse(program.source)
        bodies = [node for node in tree.walk("function_definition") if _on_device(node)]
        plain = [edit for node in bodies for edit in _edits(tree, node, _defined(program.source))]
        if plain:
            yield self._rewrite(program, plain, "", "single-precision literals and functions")
        doubles = [node for inner in bodies for node in tree.walk("primitive_type", under=inner) if tree.text_of(node) == "double"]
        types = [Edit(node.start_byte, node.end_byte, "float") for node in doubles]
        if types:
            yield self._rewrite(program, [*plain, *types], "-all", "single precision throughout the kernels")

    def _rewrite(self, program: Program, edits: list[Edit], suffix: str, summary: str) -> Rewrite:
        return Rewrite(source=apply(program.source, edits), flags=program.flags, directive=self.name + suffix, summary=summary)


def _on_device(node: Node) -> bool:
    return any(child.type in ("__global__", "__device__") for child in node.children)


def _defined(source: str) -> set[str]:
    return {function.name for function in functions(source)}


def _edits(tree: Tree, node: Node, defined: set[str]) -> Iterator[Edit]:
    for literal in tree.walk("number_literal", under=node):
        if _DOUBLE.match(tree.text_of(literal)):
            yield Edit(literal.end_byte, literal.end_byte, "f")
    for call in tree.walk("call_expression", under=node):
        callee = call.child_by_field_name("function")
        if callee is None or callee.type != "identifier":
            continue
        name = tree.text_of(callee)
        if _FUNCTIONS.match(name) and name not in defined | syntax.changed(tree, node):
            yield Edit(callee.end_byte, callee.end_byte, "f")
