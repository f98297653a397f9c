"""Conditions over tuning parameters: Python's expressions on names and constants, parsed and interpreted here, never handed to `eval`.

A tuning space has a condition tried a hundred thousand times, so each is turned once into nested functions.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

from kernelsearch.errors import UsageError

Scalar = int | float | bool | str
Term = Callable[[Mapping[str, Scalar]], object]

_BINARY: dict[type[ast.operator], Callable[..., object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_COMPARED: dict[type[ast.cmpop], Callable[..., object]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_UNARY: dict[type[ast.unaryop], Callable[..., object]] = {ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS: dict[str, Callable[..., object]] = {"min": min, "max": max, "abs": abs}


def compiled(text: str) -> tuple[Term, frozenset[str]]:
    """What the expression `text` gives for a configuration, and the names that it needs."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        term = _term(tree)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise UsageError(f"not a condition over tuning parameters: {text[:120]!r} ({error})") from error
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return term, frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) - called


def _term(node: ast.expr) -> Term:
    match node:
        case ast.Constant(value=int() | float() | str() as value):
            return lambda _: value
        case ast.Name(id=name):
            return lambda names: names[name]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            terms = [_term(item) for item in items]
            return lambda names: [term(names) for term in terms]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            change, inner = _UNARY[type(op)], _term(operand)
            return lambda names: change(inner(names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            join, first, second = _BINARY[type(op)], _term(left), _term(right)
            return lambda names: join(first(names), second(names))
        case ast.BoolOp(op=op, values=values):
            terms = [_term(value) for value in values]
            if isinstance(op, ast.And):
                return lambda names: all(term(names) for term in terms)
            return lambda names: any(term(names) for term in terms)
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(op) in _COMPARED for op in ops):
            tests = [_COMPARED[type(op)] for op in ops]
            sides = [_term(side) for side in (left, *comparators)]
            return lambda names: all(
                test(sides[i](names), sides[i + 1](names)) for i, test in enumerate(tests)
            )  # fmt: skip
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS and args:
            function, given = _FUNCTIONS[name], [_term(arg) for arg in args]
            return lambda names: function(*(term(names) for term in given))
    raise ValueError(f"{ast.unparse(node)[:60]!r} is not allowed")
