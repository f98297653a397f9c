"""Questions that several rules ask of a kernel's syntax tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kernelsearch.source import Edit, Kernel, Node, Tree

_INDEX = re.compile(
    r"(?:\(?(?:int|size_t|unsigned|longlong|int64_t)\)?)?"
    r"(?:blockIdx\.([xyz])\*blockDim\.([xyz])|blockDim\.([xyz])\*blockIdx\.([xyz]))\+threadIdx\.([xyz])$"
    r"|threadIdx\.([xyz])\+(?:blockIdx\.([xyz])\*blockDim\.([xyz])|blockDim\.([xyz])\*blockIdx\.([xyz]))$"
)


@dataclass(frozen=True, slots=True)
class Loop:
    """`for (int var = start; var < bound; ++var) body`, counting up by one."""

    node: Node
    var: str
    start: Node
    bound: Node
    body: Node


def body(tree: Tree, kernel: Kernel) -> Node:
    """The compound statement of a kernel."""
    return next(node for node in tree.walk("compound_statement") if node.start_byte == kernel.body)


def statements(block: Node) -> list[Node]:
    """Statements of a compound statement, or the one statement that stands without braces."""
    inner = block.named_children if block.type == "compound_statement" else [block]
    return [node for node in inner if node.type != "comment"]


def squeeze(text: str) -> str:
    """Without any white space: equal for expressions that differ in layout only."""
    return "".join(text.split())


def names(tree: Tree, node: Node) -> set[str]:
    """Identifiers that occur in `node`."""
    return {tree.text_of(found) for found in tree.walk("identifier", under=node)}


def changed(tree: Tree, node: Node) -> set[str]:
    """Variables that are declared or assigned in `node`; an array counts when an element is assigned."""
    found = set()
    for part in tree.walk("assignment_expression", "update_expression", "init_declarator", "declaration", under=node):
        for field in ("left", "argument", "declarator"):
            for target in part.children_by_field_name(field):
                if first := next(tree.walk("identifier", under=target), None):
                    found.add(tree.text_of(first))
    return found


def calls(tree: Tree, node: Node) -> set[str]:
    """Names of functions called in `node`."""
    callees = (call.child_by_field_name("function") for call in tree.walk("call_expression", under=node))
    return {tree.text_of(callee) for callee in callees if callee is not None}


def synchronises(tree: Tree, node: Node) -> bool:
    """Whether threads wait for each other, or exchange values, in `node`."""
    return any(re.search(r"sync|shfl|atomic|ballot", name) for name in calls(tree, node))


def leaves(tree: Tree, node: Node) -> bool:
    """Whether control can leave `node` before its end."""
    return any(True for _ in tree.walk("return_statement", "break_statement", "goto_statement", "continue_statement", under=node))


def loop(tree: Tree, node: Node) -> Loop | None:
    """`node` as a counted loop, if it is one whose variable and bound do not change in its body."""
    if node.type != "for_statement":
        return None
    initial, condition, update = (node.child_by_field_name(field) for field in ("initializer", "condition", "update"))
    inner = node.child_by_field_name("body")
    if initial is None or condition is None or update is None or inner is None or initial.type != "declaration":
        return None
    declarator = initial.child_by_field_name("declarator")
    if declarator is None or declarator.type != "init_declarator" or condition.type != "binary_expression":
        return None
    var, start = declarator.child_by_field_name("declarator"), declarator.child_by_field_name("value")
    left, bound, operator = (condition.child_by_field_name(field) for field in ("left", "right", "operator"))
    if var is None or start is None or left is None or bound is None or operator is None:
        return None
    name = tree.text_of(var)
    counts = squeeze(tree.text_of(update)) in (f"++{name}", f"{name}++", f"{name}+=1", f"{name}={name}+1")
    if not counts or tree.text_of(left) != name or operator.type != "<" or ({name} | names(tree, bound)) & changed(tree, inner):
        return None
    return Loop(node, name, start, bound, inner)


def innermost_loops(tree: Tree, kernel: Kernel) -> Iterator[Node]:
    """`for` loops of a kernel that hold no other loop."""
    kinds = ("for_statement", "while_statement", "do_statement")
    for node in tree.walk("for_statement", under=body(tree, kernel)):
        if sum(1 for _ in tree.walk(*kinds, under=node)) == 1:
            yield node


def thread_index(tree: Tree, node: Node) -> tuple[str, str] | None:
    """(variable, axis) of a declaration `int i = blockIdx.x * blockDim.x + threadIdx.x`."""
    if node.type != "declaration":
        return None
    declarator = node.child_by_field_name("declarator")
    if declarator is None or declarator.type != "init_declarator":
        return None
    name, value = declarator.child_by_field_name("declarator"), declarator.child_by_field_name("value")
    if name is None or value is None:
        return None
    match = _INDEX.match(squeeze(tree.text_of(value)))
    axes = {axis for axis in match.groups() if axis} if match else set()
    return (tree.text_of(name), axes.pop()) if len(axes) == 1 else None


def subscripts(tree: Tree, node: Node, name: str) -> list[tuple[Node, str]] | None:
    """Every `name[index]` in `node` with its index text; None when `name` is used in any other way."""
    found = []
    for use in tree.walk("identifier", under=node):
        if tree.text_of(use) != name:
            continue
        access = use.parent
        if access is None or access.type != "subscript_expression" or access.child_by_field_name("argument") != use:
            return None
        if access.parent is not None and access.parent.type == "pointer_expression":
            return None
        indices = access.child_by_field_name("indices")
        if indices is None or len(indices.named_children) != 1:
            return None
        found.append((access, tree.text_of(indices.named_children[0])))
    return found


def is_write(access: Node) -> bool:
    """Whether an access is the target of an assignment or update."""
    parent = access.parent
    if parent is None:
        return False
    return parent.type == "update_expression" or (parent.type == "assignment_expression" and parent.child_by_field_name("left") == access)


def between(tree: Tree, first: Node, last: Node, deeper: str) -> str:
    """The text from one statement to another, comments between them included, its lines indented with `deeper`."""
    return tree.slice(first.start_byte, last.end_byte).replace("\n" + indent(tree, first.start_byte), "\n" + deeper)


def anew(tree: Tree, start: int, end: int, text: str) -> Edit:
    """The edit that writes a stretch of code anew; comments in it that `text` has not kept go before it."""
    inside = (c for c in tree.walk("comment") if start <= c.start_byte and c.end_byte <= end)
    lost = [tree.text_of(comment).rstrip() for comment in inside if tree.text_of(comment).rstrip() not in text]
    return Edit(start, end, "".join(f"{comment}\n{indent(tree, start)}" for comment in lost) + text)


def indent(tree: Tree, offset: int) -> str:
    """The white space that the line of `offset` begins with."""
    start = tree.data.rfind(b"\n", 0, offset) + 1
    line = tree.data[start:offset]
    return line[: len(line) - len(line.lstrip())].decode()


def begins_line(tree: Tree, node: Node) -> bool:
    """Whether only white space stands before `node` on its line."""
    start = tree.data.rfind(b"\n", 0, node.start_byte) + 1
    return not tree.data[start : node.start_byte].strip()
