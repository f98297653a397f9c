"""Arithmetic over named sizes: shapes, launch dimensions and cost formulae.

The language is Python's arithmetic on numbers and names, plus `cdiv`, `min`, `max`, `log2` and `sqrt`. It is parsed and
interpreted here, never handed to `eval`: candidates write launch plans in it.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kernelsearch.errors import UsageError

Number = int | float

_MAX_LENGTH = 2_000  # a launch expression is a line; longer is an attack on the parser
_MAX_DEPTH = 100  # nested operations: what is walked must not exhaust the stack
_MAX_MAGNITUDE = 2.0**63

_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: lambda a, b: int(a) * 2 ** _small(b),
    ast.RShift: lambda a, b: int(a) // 2 ** _small(b),
    ast.Pow: lambda a, b: a ** _small(b),
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "cdiv": lambda a, b: -(-a // b),
    "min": min,
    "max": max,
    "log2": lambda a: math.log2(a),
    "sqrt": lambda a: math.sqrt(a),
}


def _small(exponent: Number) -> int:
    if not 0 <= exponent <= 62:
        raise ValueError("exponent out of range")
    return int(exponent)


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    node = syntax(text, "an expression over sizes")
    check(node, text)
    return node


def syntax(text: str, what: str) -> ast.expr:
    """`text` as a syntax tree in which nothing has been looked at yet. Raises `UsageError` when it is not `what`."""
    if len(text) > _MAX_LENGTH:
        raise UsageError(f"expression is longer than {_MAX_LENGTH} characters: {text[:60]}…")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"not {what}: {text!r} ({error})") from error


def too_deep(depth: int) -> bool:
    """Whether operations are nested deeper than may be walked."""
    return depth > _MAX_DEPTH


def check(node: ast.expr, text: str, depth: int = 0) -> None:
    """Raise `UsageError` unless `node` is arithmetic of this language."""
    if too_deep(depth):
        raise UsageError(f"expression is nested deeper than {_MAX_DEPTH}: {text[:60]}…")
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and abs(value) <= _MAX_MAGNITUDE:
            return
        case ast.Name():
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return check(operand, text, depth + 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            check(left, text, depth + 1)
            return check(right, text, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS and args:
            for arg in args:
                check(arg, text, depth + 1)
            return
    allowed = "use + - * / // % ** << >> cdiv min max log2 sqrt"
    raise UsageError(f"not allowed in an expression over sizes: {_quoted(node, text)} in {text[:60]!r}; {allowed}")


def _quoted(node: ast.expr, text: str) -> str:
    return repr(ast.get_source_segment(text.strip(), node) or "?")


def value_of(node: ast.expr, names: Mapping[str, Number]) -> Number:
    """What checked arithmetic gives. Raises `KeyError` for a name without a value, `ArithmeticError`, `ValueError` or `TypeError`."""
    match node:
        case ast.Constant(value=value):
            assert isinstance(value, int | float)
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = value_of(operand, names)
            return -inner if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            return _bounded(_BINARY[type(op)](value_of(left, names), value_of(right, names)))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*(value_of(arg, names) for arg in args))
    raise AssertionError("checked at construction")


def _bounded(value: Number) -> Number:
    if not -_MAX_MAGNITUDE <= value <= _MAX_MAGNITUDE:
        raise OverflowError("value exceeds 64 bits")
    return value


@dataclass(frozen=True, slots=True)
class Expression:
    """An arithmetic expression over named sizes.

    Raises `UsageError` at construction when `text` is not in the language, and at evaluation when a name is unknown or the
    arithmetic fails.
    """

    text: str

    def __post_init__(self) -> None:
        _parse(self.text)

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> frozenset[str]:
        """The names that the expression reads (functions are not names)."""
        called = {id(n.func) for n in ast.walk(_parse(self.text)) if isinstance(n, ast.Call)}
        return frozenset(n.id for n in ast.walk(_parse(self.text)) if isinstance(n, ast.Name) and id(n) not in called)

    def evaluate(self, values: Mapping[str, Number]) -> Number:
        """The value with `values` put in for the names."""
        try:
            return value_of(_parse(self.text), values)
        except KeyError as error:
            raise UsageError(f"unknown name {error} in expression {self.text!r}; known: {', '.join(sorted(values)) or 'none'}") from error
        except (ArithmeticError, ValueError, TypeError) as error:
            raise UsageError(f"cannot evaluate {self.text!r} with {dict(values)}: {error}") from error

    def integer(self, values: Mapping[str, Number]) -> int:
        """The value as an integer; raises `UsageError` when it is not one."""
        value = self.evaluate(values)
        if value != int(value):
            raise UsageError(f"{self.text!r} gives {value}, which is not a whole number")
        return int(value)
