"""Read-modify-write of one global element in a loop, moved into a register and written once.

Every use of the buffer in the loop must be the same element, whose index the loop does not change.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.source import Edit, Kernel, Node, Parameter, Tree, apply, kernels, parse


class RegisterAccumulator:
    """One rewrite for each buffer, at the outermost loop that allows it."""

    name = "register-accumulator"
    relieves = (Resource.DRAM_BANDWIDTH, Resource.L2, Resource.LATENCY, Resource.UNCOALESCED)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree = parse(program.source)
        for kernel in kernels(program.source):
            for parameter in kernel.parameters:
                if parameter.pointer and not parameter.const and (edits := _edits(tree, kernel, parameter)):
                    summary = f"keep the running value of {parameter.name} in a register"
                    yield Rewrite(source=apply(program.source, edits), flags=program.flags, directive=self.name, summary=summary)


def _edits(tree: Tree, kernel: Kernel, parameter: Parameter) -> list[Edit]:
    body = syntax.body(tree, kernel)
    for node in tree.walk("for_statement", "while_statement", under=body):
        accesses = syntax.subscripts(tree, node, parameter.name)
        if accesses and _one_element(tree, node, accesses):
            return _moved(tree, node, parameter, [access for access, _ in accesses], syntax.names(tree, body))
    return []


def _one_element(tree: Tree, node: Node, accesses: list[tuple[Node, str]]) -> bool:
    """Whether the loop reads and writes one element that no other thread waits for, and ends only at its end."""
    index = accesses[0][0].child_by_field_name("indices")
    if index is None or len({syntax.squeeze(text) for _, text in accesses}) != 1 or not any(syntax.is_write(a) for a, _ in accesses):
        return False
    varying = syntax.changed(tree, node)
    leaving = any(True for _ in tree.walk("return_statement", "goto_statement", under=node))
    inner = node.child_by_field_name("body")
    in_body = inner is not None and all(inner.start_byte <= access.start_byte < inner.end_byte for access, _ in accesses)
    return in_body and not (syntax.names(tree, index) & varying or leaving or syntax.synchronises(tree, node) or syntax.calls(tree, index))


def _moved(tree: Tree, node: Node, parameter: Parameter, accesses: list[Node], taken: set[str]) -> list[Edit]:
    register = next(name for name in (f"{parameter.name}_value{suffix}" for suffix in ("", *range(2, 99))) if name not in taken)
    element, indent = tree.text_of(accesses[0]), syntax.indent(tree, node.start_byte)
    edits = [Edit(access.start_byte, access.end_byte, register) for access in accesses]
    before = node.prev_named_sibling
    stored = _stored_value(tree, before, element)
    if before is not None and stored is not None:
        declared = Edit(before.start_byte, before.end_byte, f"{parameter.type} {register} = {stored};")
        return [declared, *edits, Edit(node.end_byte, node.end_byte, f"\n{indent}{element} = {register};")]
    place = before if before is not None and before.type == "preproc_call" else node  # an unroll pragma stays with its loop
    opening, closing = ("", "") if _in_block(node) else ("{ ", " }")
    declared = Edit(place.start_byte, place.start_byte, f"{opening}{parameter.type} {register} = {element};\n{indent}")
    return [declared, *edits, Edit(node.end_byte, node.end_byte, f"\n{indent}{element} = {register};{closing}")]


def _in_block(node: Node) -> bool:
    return node.parent is not None and node.parent.type == "compound_statement"


def _stored_value(tree: Tree, statement: Node | None, element: str) -> str | None:
    """The value that the statement just before the loop stores to the element, if it does so and no more."""
    if statement is None or statement.type != "expression_statement":
        return None
    assignment = statement.named_children[0] if statement.named_children else None
    if assignment is None or assignment.type != "assignment_expression":
        return None
    left, value, operator = (assignment.child_by_field_name(field) for field in ("left", "right", "operator"))
    if left is None or value is None or operator is None or tree.text_of(operator) != "=":
        return None
    return tree.text_of(value) if syntax.squeeze(tree.text_of(left)) == syntax.squeeze(element) else None
