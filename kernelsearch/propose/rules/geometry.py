"""Where the grid and block of each launch are written, in host code or in a launch plan, so that a rule can change them.

A launch whose geometry is not written as plain expressions (assigned later, computed by a function) has no `Geometry`, and rules
leave its kernel alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from kernelsearch.errors import UsageError
from kernelsearch.model import Expression
from kernelsearch.source import Edit, LaunchSite, Node, Tree, launches, parse

_INTEGER = re.compile(r"\s*\(?\s*(\d+)[uU]?\s*\)?\s*$")
_PLAN_LAUNCH = re.compile(rb"//\s*launch:\s*(\w+)")
_LISTS = ("argument_list", "initializer_list", "parameter_list")  # `dim3 block(T, T);` reads as a function's declaration
_PLAN_FIELD = re.compile(rb"\b(grid|block)=")


@dataclass(frozen=True, slots=True)
class Extent:
    """One dimension as it is written: its expression and the bytes that hold it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant:
    """An integer with a name (`#define`, or a variable set once); the bytes are those of its digits."""

    name: str
    value: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """Grid and block of one launch of `kernel`, one to three dimensions each. `plan`: written in a launch plan."""

    kernel: str
    grid: tuple[Extent, ...]
    block: tuple[Extent, ...]
    plan: bool

    @property
    def extents(self) -> tuple[Extent, ...]:
        return (*self.grid, *self.block)


class Launches:
    """All launches of a source."""

    def __init__(self, source: str) -> None:
        self.tree = parse(source)
        self.constants = dict(_constants(self.tree))
        sites = launches(source)
        read = [*(_of_site(self.tree, site) for site in sites), *_of_plan(self.tree)]
        self.all = tuple(geometry for geometry in read if geometry is not None)
        self._unread = {site.kernel_name for site, geometry in zip(sites, read, strict=False) if geometry is None}

    def of(self, kernel: str) -> tuple[Geometry, ...]:
        """Every launch of `kernel`; empty when there is none or one of them cannot be read."""
        return () if kernel in self._unread else tuple(g for g in self.all if g.kernel == kernel)

    def value(self, extent: Extent) -> int | None:
        """The extent as a number, where it is a constant expression."""
        try:
            return Expression(extent.text).integer({name: constant.value for name, constant in self.constants.items()})
        except UsageError:
            return None

    def block(self, geometry: Geometry) -> tuple[int, ...] | None:
        """The block's dimensions as numbers."""
        values = [self.value(extent) for extent in geometry.block]
        return None if None in values else tuple(value for value in values if value is not None)

    def owned(self, kernel: str) -> bool:
        """Whether no other kernel's launch uses the expressions that launches of `kernel` are written with."""
        ours = {(e.start, e.end) for g in self.of(kernel) for e in g.extents}
        return not any((e.start, e.end) in ours for g in self.all if g.kernel != kernel for e in g.extents)

    def rescale(self, kernel: str, change: Callable[[str, bool], str], axis: int = 0) -> list[Edit]:
        """Edits that put `change(text, in a plan)` in place of one grid dimension of every launch of `kernel`."""
        found = {(g.grid[axis].start, g.grid[axis].end): change(g.grid[axis].text, g.plan) for g in self.of(kernel)}
        return [Edit(start, end, text) for (start, end), text in found.items()]


@lru_cache(maxsize=64)
def read_launches(source: str) -> Launches:
    """All launches of a source, read once for all rules."""
    return Launches(source)


def ceiling(text: str, plan: bool, *, by: int) -> str:
    """A grid dimension for `by` times fewer threads."""
    return f"cdiv({text}, {by})" if plan else f"(({text}) + {by - 1}) / {by}"


def product(text: str, plan: bool, *, by: str) -> str:
    """A grid dimension for `by` times more threads; the same in a plan and in host code."""
    return f"({text}) * {by}"


def _of_site(tree: Tree, site: LaunchSite) -> Geometry | None:
    call = tree.root.descendant_for_byte_range(site.start, site.end - 1)
    while call is not None and not (call.type == "call_expression" and call.end_byte == site.end):
        call = call.parent
    syntax = next((child for child in call.children if child.type == "kernel_call_syntax"), None) if call is not None else None
    if syntax is None:
        return None
    values = [child for child in syntax.named_children if child.type != "comment"]
    grid, block = _extents(tree, values[0]), _extents(tree, values[1])
    return Geometry(site.kernel_name, grid, block, plan=False) if grid and block else None


def _extents(tree: Tree, node: Node, depth: int = 0) -> tuple[Extent, ...]:
    """The dimensions that a configuration expression stands for; empty when it cannot be told."""
    if node.type == "identifier" and depth < 3 and (declarators := _declarators(tree, node)):
        value = declarators[0].child_by_field_name("value") or declarators[0].child_by_field_name("parameters")
        if len(declarators) > 1 or value is None or tree.text_of(node) in _assigned(tree):
            return ()
        if value.type in _LISTS or not _INTEGER.match(tree.text_of(value)):
            return _extents(tree, value, depth + 1)
    if node.type in _LISTS:
        values = [child for child in node.named_children if child.type != "comment"]
        return tuple(Extent(tree.text_of(child), child.start_byte, child.end_byte) for child in values) if 1 <= len(values) <= 3 else ()
    if node.type in ("call_expression", "compound_literal_expression"):
        callee = node.child_by_field_name("function") or node.child_by_field_name("type")
        inner = node.child_by_field_name("arguments") or node.child_by_field_name("value")
        if callee is not None and inner is not None and tree.text_of(callee) == "dim3":
            return _extents(tree, inner, depth)
    return (Extent(tree.text_of(node), node.start_byte, node.end_byte),)


def _declarators(tree: Tree, name: Node) -> list[Node]:
    """Declarations of the variable that `name` refers to, in the innermost scope that has any; a parameter has none."""
    text = tree.text_of(name)
    scope: Node | None = name
    while scope is not None:
        if scope.type in ("function_definition", "translation_unit"):
            found = []
            for declaration in tree.walk("declaration", under=scope):
                for declarator in declaration.children_by_field_name("declarator"):
                    inner = declarator.child_by_field_name("declarator") or declarator
                    if tree.text_of(inner) == text:
                        found.append(declarator)
            if found:
                return found
        scope = scope.parent
    return []


def _assigned(tree: Tree) -> set[str]:
    """Names of variables that are changed after their declaration, or have a member changed."""
    names = set()
    for node in tree.walk("assignment_expression", "update_expression"):
        target = node.child_by_field_name("left") or node.child_by_field_name("argument")
        if target is not None and (match := re.match(r"\w+", tree.text_of(target))):
            names.add(match[0])
    return names


def _constants(tree: Tree) -> Iterator[tuple[str, Constant]]:
    """Named integers that are defined once in the source and never assigned."""
    found: dict[str, list[Constant]] = {}
    for node in tree.walk("preproc_def"):
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and value is not None:
            _add(found, tree, name, value)
    for node in tree.walk("init_declarator"):
        name, value = node.child_by_field_name("declarator"), node.child_by_field_name("value")
        if name is not None and value is not None and name.type == "identifier":
            _add(found, tree, name, value)
    assigned = _assigned(tree)
    for name_text, constants in found.items():
        if len(constants) == 1 and constants[0].value >= 0 and name_text not in assigned:
            yield name_text, constants[0]


def _add(found: dict[str, list[Constant]], tree: Tree, name: Node, value: Node) -> None:
    text = tree.text_of(value)
    match = _INTEGER.match(text.split("//")[0])
    start = value.start_byte + (match.start(1) if match else 0)
    constant = Constant(tree.text_of(name), int(match[1]) if match else -1, start, start + (len(match[1]) if match else 0))
    found.setdefault(constant.name, []).append(constant)


def _of_plan(tree: Tree) -> Iterator[Geometry]:
    for comment in tree.walk("comment"):
        head = _PLAN_LAUNCH.match(tree.data, comment.start_byte, comment.end_byte)
        if head is None:
            continue
        fields = {m[1].decode(): m.end() for m in _PLAN_FIELD.finditer(tree.data, head.end(), comment.end_byte)}
        if fields.keys() == {"grid", "block"}:
            grid, block = (tuple(_plan_extents(tree, fields[key], comment.end_byte)) for key in ("grid", "block"))
            yield Geometry(head[1].decode(), grid, block, plan=True)


def _plan_extents(tree: Tree, start: int, stop: int) -> Iterator[Extent]:
    """The items of `(a, f(b, c))`, or the one word, that begins at `start`."""
    bracketed = tree.data[start : start + 1] == b"("
    begin = position = start + bracketed
    depth = 0
    while position < stop:
        character = tree.data[position : position + 1]
        if depth == 0 and character in ((b",", b")") if bracketed else (b" ", b"\t")):
            yield _trimmed(tree, begin, position)
            begin = position + 1
            if character != b",":
                return
        depth += (character == b"(") - (character == b")")
        position += 1
    if not bracketed:
        yield _trimmed(tree, begin, stop)


def _trimmed(tree: Tree, start: int, end: int) -> Extent:
    raw = tree.data[start:end]
    start += len(raw) - len(raw.lstrip())
    text = raw.strip()
    return Extent(text.decode("utf-8", "replace"), start, start + len(text))
