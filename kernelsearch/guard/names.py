"""What a Python module does, as events by full name: `t.backends.cudnn.benchmark = True` after `import torch as t` is one that sets
"torch.backends.cudnn.benchmark". Aliases made by imports and by plain assignments are followed, in the order of the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_FORWARD = ("forward", "__call__")


@dataclass(frozen=True, slots=True)
class Event:
    """`where` is one of the words that guard.toml explains for its Python rules."""

    where: str
    name: str
    line: int


class Names(ast.NodeVisitor):
    """Collects the events of one module, and what `layers` its objects hold: attributes that were given a layer of torch."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.layers: dict[str, str] = {}
        self._full: dict[str, str] = {}
        self._modules: set[str] = set()
        self._functions: list[str] = []

    def dotted(self, node: ast.expr) -> str:
        """The full name of a name, of an attribute, or of `getattr` with a literal; "" for anything else."""
        if isinstance(node, ast.Name):
            return self._full.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            of = self.dotted(node.value)
            return f"{of}.{node.attr}" if of else ""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
            of, name = self.dotted(node.args[0]), node.args[1]
            return f"{of}.{name.value}" if of and isinstance(name, ast.Constant) and isinstance(name.value, str) else ""
        if isinstance(node, ast.Subscript):
            return self.dotted(node.value)
        return ""

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._tell("import", alias.name, node)
            self._modules.add(alias.name.partition(".")[0])
            self._full[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self._tell("import", module, node)
        self._modules.add(module.partition(".")[0])
        for alias in node.names:
            self._full[alias.asname or alias.name] = f"{module}.{alias.name}"
            self._tell("use", f"{module}.{alias.name}", node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            if name := self.dotted(base):
                self._tell("base", name, node)
        self._tell("define", node.name, node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._tell("define", node.name, node)
        self._functions.append(node.name)
        self.generic_visit(node)
        self._functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        for name in node.names:
            self._tell("keep", name, node)

    visit_Nonlocal = visit_Global

    def visit_Assign(self, node: ast.Assign) -> None:
        value = self.dotted(node.value) if isinstance(node.value, ast.Name | ast.Attribute | ast.Call) else ""
        layer = self.dotted(node.value.func) if isinstance(node.value, ast.Call) else ""
        for target in node.targets:
            if isinstance(target, ast.Name) and value:
                self._full[target.id] = value
            elif layer and (name := self.dotted(target)):
                self.layers[name] = layer
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._named(node, self._full.get(node.id, node.id))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.dotted(node)
        self._named(node, name or f"?.{node.attr}")
        if not name:
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load) and (name := self.dotted(node)):
            self._named(node, name)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self.dotted(node.func)
        if name:
            self._tell("call", name, node)
        if method := self._method(node.func, name):
            self._tell("method", method, node)
        if name in ("setattr", "delattr") and len(node.args) > 1 and (of := self.dotted(node.args[0])):
            attribute = node.args[1]
            self._tell("set", f"{of}.{text(attribute, {}) or '?'}", node)
        if name == "getattr" and (read := self.dotted(node)):
            self._tell("use", read, node)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.MatMult):
            self._tell("method", "__matmul__", node)
        self.generic_visit(node)

    def _named(self, node: ast.Name | ast.Attribute | ast.Subscript, name: str) -> None:
        if isinstance(node.ctx, ast.Load):
            self._tell("use", name, node)
            return
        self._tell("set", name, node)
        if name.startswith("self.") and self._functions and self._functions[-1] in _FORWARD:
            self._tell("keep", name, node)

    def _method(self, called: ast.expr, name: str) -> str:
        """What is called, when it is an attribute of anything but a module."""
        root, _, rest = name.partition(".")
        if not name:
            return called.attr if isinstance(called, ast.Attribute) else ""
        return "" if root in self._modules else rest.rpartition(".")[2]

    def _tell(self, where: str, name: str, node: ast.stmt | ast.expr) -> None:
        self.events.append(Event(where, name, node.lineno))


def text(node: ast.expr, known: dict[str, str]) -> str | None:
    """The string that an expression is, where the text of the module tells it: literals, their sums and names in `known`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text(node.left, known), text(node.right, known)
        return left + right if left is not None and right is not None else None
    return None


def strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Every string literal, those of an f-string as one, with zeros for what is filled in."""
    within: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            within.update(map(id, node.values))
            yield node, "".join(literal if (literal := text(part, {})) is not None else "0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            yield node, node.value
