"""Conditions over named figures, in three values: true, false, and unknown where a figure is not there.

Comparisons of arithmetic (see `expression`), names that are true when they are not 0, `and`, `or`, `not`, brackets. Names may have dots,
so that a counter's own name can be written: `sm__throughput.avg.pct_of_peak_sustained_elapsed > 60`. What is unknown stays unknown
through arithmetic and `not`; `and` and `or` decide where the other side alone does (Kleene's logic). Nothing is handed to `eval`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kernelsearch.errors import UsageError
from kernelsearch.model.expression import Number, check, syntax, too_deep, value_of

_COMPARISONS: dict[type[ast.cmpop], Callable[[Number, Number], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over named figures. Raises `UsageError` at construction when `text` is not in the language; never afterwards."""

    text: str

    def __post_init__(self) -> None:
        _parse(self.text)

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it reads, in order, each once."""
        return _names(self.text)

    def holds(self, values: Mapping[str, Number]) -> bool | None:
        """Whether it is true with `values`; None where that is not known from them."""
        return _truth(_parse(self.text), values)


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    node = syntax(text, "a condition")
    try:
        _check(node, text)
        whole: ast.expr = _Joined().visit(node)
    except RecursionError as error:
        raise UsageError(f"condition is nested too deeply: {text[:60]}…") from error
    return whole


@lru_cache(maxsize=4096)
def _names(text: str) -> tuple[str, ...]:
    nodes = list(ast.walk(_parse(text)))
    called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
    found = [n for n in nodes if isinstance(n, ast.Name) and id(n) not in called]
    return tuple(dict.fromkeys(n.id for n in sorted(found, key=lambda n: (n.lineno, n.col_offset))))


class _Joined(ast.NodeTransformer):
    """Makes one name of a dotted one."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.Name:
        return ast.copy_location(ast.Name(id=ast.unparse(node), ctx=ast.Load()), node)


def _check(node: ast.expr, text: str, depth: int = 0) -> None:
    if too_deep(depth):
        raise UsageError(f"condition is nested too deeply: {text[:60]}…")
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part, text, depth + 1)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            _check(inner, text, depth + 1)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            for side in (left, *others):
                check(_Joined().visit(_dotted(side, text)), text, depth + 1)
        case ast.Name() | ast.Attribute():
            _dotted(node, text)
        case _:
            quoted = ast.get_source_segment(text.strip(), node) or "?"
            raise UsageError(
                f"not allowed in a condition: {quoted!r} in {text[:60]!r}; use comparisons, names, and, or, not, brackets, and arithmetic"
            )


def _dotted(node: ast.expr, text: str) -> ast.expr:
    """`node` itself, once it is sure that every dot in it joins names."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and not isinstance(part.value, ast.Name | ast.Attribute):
            raise UsageError(f"not a name with dots: {ast.get_source_segment(text.strip(), part)!r} in {text[:60]!r}")
    return node


def _truth(node: ast.expr, values: Mapping[str, Number]) -> bool | None:
    match node:
        case ast.BoolOp(op=op, values=parts):
            decisive = isinstance(op, ast.Or)
            truths = [_truth(part, values) for part in parts]
            return decisive if decisive in truths else None if None in truths else not decisive
        case ast.UnaryOp(operand=inner):
            truth = _truth(inner, values)
            return None if truth is None else not truth
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compared([left, *others], ops, values)
        case ast.Name(id=name):
            return bool(values[name]) if name in values else None
    raise AssertionError("checked at construction")


def _compared(sides: list[ast.expr], ops: list[ast.cmpop], values: Mapping[str, Number]) -> bool | None:
    figures = [_figure(side, values) for side in sides]
    truths = [
        None if left is None or right is None else _COMPARISONS[type(op)](left, right)
        for left, op, right in zip(figures, ops, figures[1:], strict=False)
    ]
    return False if False in truths else None if None in truths else True


def _figure(node: ast.expr, values: Mapping[str, Number]) -> Number | None:
    """What arithmetic gives; None where a name has no value or the arithmetic no result."""
    try:
        return value_of(node, values)
    except (KeyError, ArithmeticError, ValueError, TypeError):
        return None
