"""From one thread a row to one warp or one block a row: the threads walk a row side by side, and sums and maxima meet at its end.

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
from kernelsearch.propose.rules.geometry import product, read_launches
from kernelsearch.source import Edit, Kernel, Node, Tree, apply, kernels, parse

_WARP = 32
_SUM = "sum"
_BY_TYPE = {("max", "float"): "fmaxf", ("min", "float"): "fminf", ("max", "double"): "fmax", ("min", "double"): "fmin"}
_ZERO = re.compile(r"(0|0?\.0*|0\.)[fF]?$")


@dataclass(frozen=True, slots=True)
class _Row:
    """A recognised kernel: its index declaration, the row variable, and the statements that work on the row."""

    index: Node
    var: str
    work: list[Node]


@dataclass(frozen=True, slots=True)
class Team:
    """Who works on a row together: expressions for the row's number and the member's, how many there are, and how they wait."""

    name: str
    row: str  # `index` stands for the thread's number in the grid
    member: str
    size: str
    wait: str


WARP = Team("warp", f"(index) / {_WARP}", f"threadIdx.x % {_WARP}", f"{_WARP}", "__syncwarp();")
BLOCK = Team("block", "blockIdx.x", "threadIdx.x", "blockDim.x", "__syncthreads();")


class RowTeam:
    """One rewrite for each kernel of that kind whose blocks are whole warps."""

    relieves = (Resource.UNCOALESCED, Resource.LATENCY, Resource.OCCUPANCY, Resource.L2, Resource.DRAM_BANDWIDTH, Resource.COMPUTE)

    def __init__(self, team: Team) -> None:
        self.name = f"{team.name}-per-row"
        self._team = team

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        for kernel in kernels(program.source):
            geometries = all_launches.of(kernel.name)
            blocks = [all_launches.block(geometry) for geometry in geometries]
            whole = all(block is not None and len(block) == 1 and block[0] % _WARP == 0 for block in blocks)
            row = _recognise(tree, kernel)
            if row is None or not geometries or not whole or not all_launches.owned(kernel.name):
                continue
            edits = _Writer(tree, kernel, row, self._team).edits()
            if edits:
                members = str(_WARP) if self._team is WARP else geometries[0].block[0].text
                grids = all_launches.rescale(kernel.name, partial(product, by=members))
                source = apply(program.source, [*edits, *grids])
                summary = f"one {self._team.name} for each row in {kernel.name}"
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


class _Writer:
    """Makes the edits of one kernel, in the order of its statements."""

    def __init__(self, tree: Tree, kernel: Kernel, row: _Row, team: Team) -> None:
        self.tree = tree
        self.row = row
        self.team = team
        self.pointers = {p.name for p in kernel.parameters if p.pointer}
        taken = syntax.names(tree, syntax.body(tree, kernel)) | {p.name for p in kernel.parameters}
        self.lane = next(name for name in ("lane", "member", "lane_of_row") if name not in taken)
        self.initial: dict[str, str] = {}  # the value each scalar was last set to
        self.types: dict[str, str] = {}

    def edits(self) -> list[Edit]:
        """Edits for the whole kernel; none when a statement does not fit."""
        declarator = self.row.index.child_by_field_name("declarator")
        index = declarator.child_by_field_name("value") if declarator is not None else None
        if index is None:
            return []
        indent = syntax.indent(self.tree, index.start_byte)
        edits = [
            Edit(index.start_byte, index.end_byte, self.team.row.replace("index", self.tree.text_of(index))),
            Edit(self.row.index.end_byte, self.row.index.end_byte, f"\n{indent}int {self.lane} = {self.team.member};"),
        ]
        loops = 0
        for statement in self.row.work:
            made: list[Edit] | None = []
            if statement.type == "for_statement":
                made, loops = self._loop(statement), loops + 1
            elif statement.type in ("declaration", "expression_statement"):
                made = self._scalar(statement)
            elif statement.type != "preproc_call":
                return []
            if made is None:
                return []
            edits += made
        return edits if loops else []

    def _scalar(self, statement: Node) -> list[Edit]:
        """A statement outside loops: every member computes the same, and one stores."""
        kind = statement.child_by_field_name("type")
        for node in self.tree.walk("init_declarator", "assignment_expression", under=statement):
            name = node.child_by_field_name("declarator") or node.child_by_field_name("left")
            value = node.child_by_field_name("value") or node.child_by_field_name("right")
            if name is not None and value is not None:
                plain = node.type == "init_declarator" or any(child.type == "=" for child in node.children)
                self.initial[self.tree.text_of(name)] = self.tree.text_of(value) if plain else "?"
                if kind is not None:
                    self.types[self.tree.text_of(name)] = self.tree.text_of(kind)
        stores = [node for node in self.tree.walk("subscript_expression", under=statement) if syntax.is_write(node)]
        if not any(syntax.names(self.tree, store) & self.pointers for store in stores):
            return []
        indent = syntax.indent(self.tree, statement.start_byte)
        return [
            Edit(statement.start_byte, statement.start_byte, f"if ({self.lane} == 0) "),
            Edit(statement.end_byte, statement.end_byte, f"\n{indent}{self.team.wait}"),
        ]

    def _loop(self, node: Node) -> list[Edit] | None:
        """A loop along the row, taken by all members together; None when it does not fit."""
        loop, update = syntax.loop(self.tree, node), node.child_by_field_name("update")
        if loop is None or update is None or loop.body.type == "for_statement" or syntax.leaves(self.tree, loop.body):
            return None
        reduced: dict[str, str] = {}
        local: set[str] = set()
        for statement in syntax.statements(loop.body):
            kind = _in_loop(self.tree, statement, loop.var, self.pointers, local)
            if kind is None:
                return None
            reduced.update(kind)
        uses = [self.tree.text_of(n) for n in self.tree.walk("identifier", under=loop.body)]
        limit = {name: 1 if how == _SUM else 2 for name, how in reduced.items()}  # `largest = fmaxf(largest, x)` names it twice
        if any(name not in self.types or uses.count(name) > limit[name] for name in reduced):
            return None
        start, indent = self.tree.text_of(loop.start), syntax.indent(self.tree, node.start_byte)
        edits = [
            Edit(loop.start.start_byte, loop.start.end_byte, self.lane if start == "0" else f"{start} + {self.lane}"),
            Edit(update.start_byte, update.end_byte, f"{loop.var} += {self.team.size}"),
        ]
        for name, operation in reduced.items():
            how = _BY_TYPE.get((operation, self.types[name]), operation)
            if how == _SUM and not _ZERO.match(self.initial[name]):  # what the sum begins with must count once
                edits.append(Edit(node.start_byte, node.start_byte, f"if ({self.lane} != 0) {name} = 0;\n{indent}"))
            edits.append(Edit(node.end_byte, node.end_byte, "".join(f"\n{indent}{line}" for line in self._meet(name, how))))
            self.initial[name] = "?"
        return edits

    def _meet(self, name: str, how: str) -> list[str]:
        """Lines after which every member has the reduction over all of them."""
        lines = [
            f"for (int offset = {_WARP // 2}; offset > 0; offset /= 2) {{",
            f"    {_joined(name, how, f'__shfl_xor_sync(0xffffffffu, {name}, offset)')}",
            "}",
        ]
        if self.team is WARP:
            return lines
        shared = f"{name}_of_warp"
        return [
            *lines,
            "{",
            f"    __shared__ {self.types[name]} {shared}[{_WARP}];",
            f"    if (threadIdx.x % {_WARP} == 0) {shared}[threadIdx.x / {_WARP}] = {name};",
            "    __syncthreads();",
            f"    {name} = {shared}[0];",
            f"    for (int warp = 1; warp < blockDim.x / {_WARP}; ++warp) {{",
            f"        {_joined(name, how, f'{shared}[warp]')}",
            "    }",
            "    __syncthreads();",
            "}",
        ]


def _joined(name: str, how: str, other: str) -> str:
    return f"{name} += {other};" if how == _SUM else f"{name} = {how}({name}, {other});"


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
    return {match["target"]: "max" if rising else "min"}
