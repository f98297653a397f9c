"""One thread an element, recognised: what the rules that give a thread several elements start from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernelsearch.propose.rules import syntax
from kernelsearch.source import Kernel, Node, Tree


@dataclass(frozen=True, slots=True)
class Elementwise:
    """`int var = <thread index>; if (var < end) { work }`, or with an early return. `index` is the first statement;
    with an early return the work is what follows it, up to `last`."""

    var: str
    type: str
    end: str
    index: Node
    work: list[Node]
    last: Node


def elementwise(tree: Tree, kernel: Kernel) -> Elementwise | None:
    """The kernel read that way; None when its work needs other threads, another index, or does not run to its end."""
    body = syntax.body(tree, kernel)
    statements = syntax.statements(body)
    found = syntax.thread_index(tree, statements[0]) if len(statements) > 1 else None
    text = tree.text_of(body)
    if found is None or found[1] != "x" or len(re.findall(r"\b(?:threadIdx|blockIdx|gridDim|blockDim)\b", text)) != 3:
        return None
    guard = statements[1]
    condition, consequence = guard.child_by_field_name("condition"), guard.child_by_field_name("consequence")
    if guard.type != "if_statement" or condition is None or consequence is None or guard.child_by_field_name("alternative") is not None:
        return None
    inner = syntax.statements(consequence)
    skips = [node.type for node in inner] == ["return_statement"]
    match = re.fullmatch(rf"\({found[0]}{'>=' if skips else '<'}(.+)\)", syntax.squeeze(tree.text_of(condition)))
    work = statements[2:] if skips else inner
    if match is None or not work or "&&" in match[1] or "||" in match[1] or (not skips and len(statements) > 2):
        return None
    leaving = any(True for node in work for _ in tree.walk("return_statement", under=node))
    altered = any({found[0], *re.findall(r"[A-Za-z_]\w*", match[1])} & syntax.changed(tree, node) for node in work)
    kind = statements[0].child_by_field_name("type")
    if leaving or altered or kind is None or syntax.synchronises(tree, body) or "__shared__" in text:
        return None
    return Elementwise(found[0], tree.text_of(kind), match[1], statements[0], work, work[-1] if skips else guard)
