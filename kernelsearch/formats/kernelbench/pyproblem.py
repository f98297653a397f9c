"""Edits of a KernelBench problem's source that keep its every other character: renaming the class, dropping or replacing functions."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection

from kernelsearch.errors import UsageError

MODEL, ENTRY = "Model", "ModelNew"
_OURS = ("get_inputs", "get_init_inputs")


def as_candidate(source: str, *, where: str) -> str:
    """The problem as an honest candidate: its own class under the name ModelNew, without the functions that make inputs."""
    return _without(_renamed(source, where), _OURS)


def with_forward(source: str, forward: str, *, where: str) -> str:
    """As `as_candidate`, with the method `forward` (indented by four spaces) in the place of the class's own."""
    text = as_candidate(source, where=where)
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == ENTRY:
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "forward":
                    lines = text.splitlines()
                    lines[_first(method) - 1 : method.end_lineno] = forward.rstrip().splitlines()
                    return "\n".join(lines) + "\n"
    raise UsageError(f"{where}: class {MODEL} has no method forward of its own")


def _renamed(source: str, where: str) -> str:
    """Every name Model is ModelNew; attributes of that name stay."""
    lines = source.splitlines(keepends=True)
    try:
        ast.parse(source)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        raise UsageError(f"{where}: not valid Python: {error}") from error
    before = ""
    places = []
    for token in tokens:
        if token.type == tokenize.NAME and token.string == MODEL and before != ".":
            places.append(token.start)
        before = token.string
    for row, column in reversed(places):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + ENTRY + line[column + len(MODEL) :]
    return "".join(lines)


def _without(source: str, functions: Collection[str]) -> str:
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            del lines[_first(node) - 1 : node.end_lineno]
    return "\n".join(lines).rstrip() + "\n"


def _first(function: ast.FunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
