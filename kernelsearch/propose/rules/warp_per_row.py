"""From one thread a row to one warp a row: the lanes walk a row side by side, and sums and maxima meet in shuffles.

Recognised: a kernel whose only index is `int row = blockIdx.x * blockDim.x + threadIdx.x`, that returns or skips beyond the last
row, and whose statements are counted loops along the row, scalars and stores. A loop's statements must each be a reduction
(`sum += …`, `largest = fmaxf(largest, …)`), a local value, or a store to an element that the loop's variable addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.geometry import Launches, product
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse

_LANES = 32
_SUM, _MAX, _MIN = "sum", "fmaxf", "fminf"
_ZERO = re.compile(r"(0|0?\.0*|0\.)[fF]?$")


@dataclass(frozen=True, slots=True)
class _Row:
    """A recognised kernel: its index declaration, the row variable, and the statements that work on the row."""

    index: Node
    var: str
    work: list[Node]


class WarpPerRow:
    """One rewrite for each kernel of that kind whose blocks are whole warps."""

    name = "warp-per-row"
    relieves = (Resource.UNCOALESCED, Resource.LATENCY, Resource.OCCUPANCY, Resource.L2, Resource.DRAM_BANDWIDTH)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), Launches(program.source)
        for kernel in kernels(program.source):
            geometries = all_launches.of(kernel.name)
            blocks = [all_launches.block(geometry) for geometry in geometries]
            whole = all(block is not None and len(block) == 1 and block[0] % _LANES == 0 for block in blocks)
            row = _recognise(tree, kernel)
            if row is None or not geometries or not whole or not all_launches.owned(kernel.name):
                continue
            edits = _edits(tree, kernel, row)
            if edits:
                grids = all_launches.rescale(kernel.name, partial(product, by=_LANES))
                source = apply(program.source, [*edits, *grids])
                summary = f"one warp for each row in {kernel.name}, meeting in shuffles"
                yield Rewrite(source=source, flags=program.flags, directive=self.name, summary=summary)


def _recognise(tree: Tree, kernel: Kernel) -> _Row | None:
    body = syntax.body(tree, kernel)
    index, *rest = syntax.statements(body) or [body]
    found = syntax.thread_index(tree, index)
    text = tree.text_of(body)
    if found is None or found[1] != "x" or len(re.findall(r"\b(?:threadIdx|blockIdx|gridDim|blockDim)\b", text)) != 3 or not rest:
        return None
    if syntax.synchronises(tree, body) or "__shared__" in text:
        return None
    guard = rest[0]
    if guard.type != "if_statement":
        return None
    consequence, otherwise = guard.child_by_field_name("consequence"), guard.child_by_field_name("alternative")
    if consequence is None or otherwise is not None:
        return None
    skips = [node.type for node in syntax.statements(consequence)] == ["return_statement"]
    work = rest[1:] if skips else syntax.statements(consequence)
    if not skips and len(rest) > 1:
        return None
    leaving = any(any(True for _ in tree.walk("return_statement", under=node)) for node in work)
    return None if leaving else _Row(index, found[0], work)


def _edits(tree: Tree, kernel: Kernel, row: _Row) -> list[Edit]:
    """Edits for the whole kernel; none when a statement does not fit."""
    pointers = {p.name for p in kernel.parameters if p.pointer}
    taken = syntax.names(tree, syntax.body(tree, kernel)) | {p.name for p in kernel.parameters}
    lane = next(name for name in ("lane", "lane_id", "warp_lane") if name not in taken)
    indent = syntax.indent(tree, row.index.start_byte)
    value = row.index.child_by_field_name("declarator")
    right = value.child_by_field_name("value") if value is not None else None
    if right is None:
        return []
    edits = [
        Edit(right.start_byte, right.end_byte, f"({tree.text_of(right)}) / {_LANES}"),
        Edit(row.index.end_byte, row.index.end_byte, f"\n{indent}int {lane} = threadIdx.x % {_LANES};"),
    ]
    loops = 0
    initial: dict[str, str] = {}  # the value each scalar was last set to
    for statement in row.work:
        if statement.type == "for_statement":
            made = _loop_edits(tree, statement, pointers, lane, initial)
            if made is None:
                return []
            edits, loops = [*edits, *made], loops + 1
        elif statement.type in ("declaration", "expression_statement"):
            edits += _scalar_edits(tree, statement, pointers, lane, initial)
        elif statement.type != "preproc_call":
            return []
    return edits if loops else []


def _scalar_edits(tree: Tree, statement: Node, pointers: set[str], lane: str, initial: dict[str, str]) -> list[Edit]:
    """A statement outside loops: every lane computes the same, and one lane stores."""
    for node in tree.walk("init_declarator", "assignment_expression", under=statement):
        name = node.child_by_field_name("declarator") or node.child_by_field_name("left")
        value = node.child_by_field_name("value") or node.child_by_field_name("right")
        if name is not None and value is not None:
            plain = node.type == "init_declarator" or any(child.type == "=" for child in node.children)
            initial[tree.text_of(name)] = tree.text_of(value) if plain else "?"
    stores = [node for node in tree.walk("subscript_expression", under=statement) if syntax.is_write(node)]
    if not any(syntax.names(tree, store) & pointers for store in stores):
        return []
    indent = syntax.indent(tree, statement.start_byte)
    return [
        Edit(statement.start_byte, statement.start_byte, f"if ({lane} == 0) "),
        Edit(statement.end_byte, statement.end_byte, f"\n{indent}__syncwarp();"),
    ]


def _loop_edits(tree: Tree, node: Node, pointers: set[str], lane: str, initial: dict[str, str]) -> list[Edit] | None:
    """A loop along the row, taken by all lanes together; None when it does not fit."""
    loop = syntax.loop(tree, node)
    if loop is None or loop.body.type == "for_statement" or syntax.leaves(tree, loop.body):
        return None
    reduced: dict[str, str] = {}
    local: set[str] = set()
    for statement in syntax.statements(loop.body):
        kind = _in_loop(tree, statement, loop.var, pointers, local)
        if kind is None:
            return None
        reduced.update(kind)
    uses = [tree.text_of(n) for n in tree.walk("identifier", under=loop.body)]
    limit = {name: 1 if how == _SUM else 2 for name, how in reduced.items()}  # `largest = fmaxf(largest, x)` names it twice
    if any(name not in initial or uses.count(name) > limit[name] for name in reduced):
        return None
    fresh = [name for name, how in reduced.items() if how == _SUM and not _ZERO.match(initial[name])]
    start = tree.text_of(loop.start)
    first = lane if start == "0" else f"{start} + {lane}"
    update = node.child_by_field_name("update")
    if update is None:
        return None
    edits = [
        Edit(loop.start.start_byte, loop.start.end_byte, first),
        Edit(update.start_byte, update.end_byte, f"{loop.var} += {_LANES}"),
    ]
    for name in fresh:  # what the sum begins with must count once
        edits.append(Edit(node.start_byte, node.start_byte, f"if ({lane} != 0) {name} = 0;\n{syntax.indent(tree, node.start_byte)}"))
    for name, how in reduced.items():
        edits.append(Edit(node.end_byte, node.end_byte, _shuffle(syntax.indent(tree, node.start_byte), name, how)))
        initial[name] = "?"
    return edits


def _shuffle(indent: str, name: str, how: str) -> str:
    other = f"__shfl_xor_sync(0xffffffffu, {name}, offset)"
    meet = f"{name} += {other};" if how == _SUM else f"{name} = {how}({name}, {other});"
    return f"\n{indent}for (int offset = {_LANES // 2}; offset > 0; offset /= 2) {{\n{indent}    {meet}\n{indent}}}"


def _in_loop(tree: Tree, statement: Node, var: str, pointers: set[str], local: set[str]) -> dict[str, str] | None:
    """The reduction that a statement in a loop makes, as {variable: operation}; empty for a local value or a store; None otherwise."""
    if statement.type == "declaration":
        local |= syntax.changed(tree, statement)
        return {}
    if statement.type == "if_statement":
        return _conditional_maximum(tree, statement)
    assignment = statement.named_children[0] if statement.type == "expression_statement" and statement.named_children else None
    left = assignment.child_by_field_name("left") if assignment is not None else None
    right = assignment.child_by_field_name("right") if assignment is not None else None
    if assignment is None or left is None or right is None or assignment.type != "assignment_expression":
        return None
    name = tree.text_of(left)
    if left.type == "subscript_expression":
        base = left.child_by_field_name("argument")
        stored = base is not None and tree.text_of(base) in pointers and var in syntax.names(tree, left)
        return {} if stored else None
    if name in local:
        return {}
    if assignment.children[1].type == "+=" and name not in syntax.names(tree, right):
        return {name: _SUM}
    call = re.match(rf"(fmaxf?|max|fminf?|min)\({re.escape(name)},(.*)\)$", syntax.squeeze(tree.text_of(right)))
    if assignment.children[1].type == "=" and call and not re.search(rf"\b{re.escape(name)}\b", call[2]):
        return {name: call[1]}
    return None


def _conditional_maximum(tree: Tree, statement: Node) -> dict[str, str] | None:
    """`if (value > largest) largest = value;`"""
    text = syntax.squeeze(tree.text_of(statement))
    match = re.match(r"if\((?P<left>.+?)(?P<sign>[<>])(?P<right>.+)\)\{?(?P<target>\w+)=(?P<value>.+?);\}?$", text)
    if match is None or {match["left"], match["right"]} != {match["target"], match["value"]} or match["target"] == match["value"]:
        return None
    rising = (match["sign"] == ">") == (match["left"] == match["value"])
    return {match["target"]: _MAX if rising else _MIN}
