"""Python of other formats cut down to what a module needs: a candidate may hold no generator, no test, and no import of a harness.

What is left is what one name hangs on, in the order of the sources; several files become one. Nothing is run.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from kernelsearch.errors import UsageError

TYPES = {  # names of element types in torch
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "u8": "uint8",
    "bool": "bool",
}


def parsed(source: str, where: str) -> ast.Module:
    """Raises `UsageError` with the line where `source` is not Python."""
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise UsageError(f"{where}, line {error.lineno}: not valid Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{where}: not valid Python: {str(error) or 'nested too deeply'}") from error


def defined(source: str) -> frozenset[str]:
    """Names of the functions and classes of a file; none of one that is not Python."""
    try:
        body = parsed(source, "").body
    except UsageError:
        return frozenset()
    return frozenset(node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef))


def shaken(sources: Sequence[str], root: str, *, local: Collection[str] = (), methods: Collection[str] = ()) -> str:
    """Of all top-level statements those that `root` hangs on. `local`: modules that are among the sources, whose imports go.

    `methods`: of the class `root` only these are kept, and its bases go.
    """
    nodes = [node for source in sources for node in parsed(source, "the reference").body if not _imports(node, local)]
    if methods:
        nodes = [_reduced(node, methods) if isinstance(node, ast.ClassDef) and node.name == root else node for node in nodes]
    known = {name: number for number, node in enumerate(nodes) for name in _names(node)}
    wanted, todo = set(), [root]
    while todo:
        number = known.get(todo.pop())
        if number is not None and number not in wanted:
            wanted.add(number)
            todo += [item.id for item in ast.walk(nodes[number]) if isinstance(item, ast.Name)]
    return "\n\n".join(ast.unparse(nodes[number]) for number in sorted(wanted)) + "\n"


def allocated(fact: Mapping[str, Any], device: str) -> str:
    """The Python expression of an output's buffer."""
    return f"torch.empty({tuple(fact['shape'])}, dtype=torch.{TYPES[fact['dtype']]}, device={device})"


def read(found: Mapping[str, Any], case: Mapping[str, Any]) -> list[str]:
    """The tensors that a module's `forward` takes: what is read and is no parameter."""
    return [fact["name"] for fact in case["tensors"] if fact["role"] == "input" and fact["name"] not in found["parameters"]]


def device(names: Sequence[str]) -> str:
    """Where to allocate, as a Python expression."""
    return f"{names[0]}.device" if names else "'cuda'"


def module(body: str, forward: Sequence[str], names: Sequence[str], *, base: str = "torch.nn.Module", init: str = "") -> str:
    """A file with a ModelNew: `body`, and the lines of its `forward` on `names`."""
    lines = [f"    def forward({', '.join(['self', *names])}):", *(f"        {line}" for line in forward)]
    made = [*(["    def __init__(self):", f"        {init}", ""] if init else []), *lines]
    head = "" if "import torch" in body.splitlines() else "import torch\n\n"
    return f"{head}{body}\n\nclass ModelNew({base}):\n" + "\n".join(made) + "\n"


def _imports(node: ast.stmt, local: Collection[str]) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in local or node.module == "__future__"
    return isinstance(node, ast.Import) and any(alias.name.partition(".")[0] in local for alias in node.names)


def _names(node: ast.stmt) -> Iterator[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name))


def _reduced(node: ast.ClassDef, methods: Collection[str]) -> ast.ClassDef:
    kept = [item for item in node.body if isinstance(item, ast.FunctionDef) and (item.name in methods or not item.name.startswith("__"))]
    used = set(methods)
    for _ in kept:  # methods that these call, and those that they call
        used |= {item.attr for method in kept if method.name in used for item in ast.walk(method) if isinstance(item, ast.Attribute)}
    body: list[ast.stmt] = [item for item in node.body if not isinstance(item, ast.FunctionDef) or item.name in used]
    plain = [item for item in body if not isinstance(item, ast.Expr)]
    node.bases, node.keywords, node.decorator_list, node.body = [], [], [], plain or [ast.Pass()]
    return node
