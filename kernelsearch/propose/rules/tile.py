"""What the tiling rules share: a kernel with one thread an element of a matrix, its two indices, and a matrix product in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.block_size import resized
from kernelsearch.propose.rules.geometry import Launches, read_launches
from kernelsearch.source import Kernel, Node, Tree, kernels, parse


@dataclass(frozen=True, slots=True)
class Plane:
    """A kernel of the form `int a = …x…; int b = …y…; if (a < A && b < B) { work }`, or with an early return.

    `axes` maps each index variable to its axis, `ends` to the text of its bound. `guard` is the whole `if`; with an early return the
    work is what follows it. `side`: threads along both axes of the block, which is square.
    """

    axes: dict[str, str]
    ends: dict[str, str]
    guard: Node
    work: list[Node]
    last: Node
    side: int


@dataclass(frozen=True, slots=True)
class Product:
    """`for (k = 0; k < inner; ++k) total += left[row * inner + k] * right[k * width + col]`, the statements of a plane's work before
    it, which declare variables and touch no buffer, and those after it."""

    loop: Node
    total: str
    inner: str
    left: str
    right: str
    row: str
    col: str
    width: str
    before: list[Node]
    after: list[Node]


def planes(source: str, sides: tuple[int, ...]) -> Iterator[tuple[Tree, Kernel, Plane, Launches]]:
    """Every such kernel of `source`, for each of the sides that its block has or can be given: in the source that has it so."""
    for number, kernel in enumerate(kernels(source)):
        for side in sides:
            all_launches = read_launches(source)
            blocks = {all_launches.block(geometry) for geometry in all_launches.of(kernel.name)}
            text = source if blocks == {(side, side)} else resized(source, kernel, (side, side))
            if text is None:
                continue
            tree, changed = parse(text), kernels(text)[number]
            found = _plane(tree, read_launches(text), changed)
            if found is not None:
                yield tree, changed, found, read_launches(text)


def _plane(tree: Tree, all_launches: Launches, kernel: Kernel) -> Plane | None:
    body = syntax.body(tree, kernel)
    statements = syntax.statements(body)
    indices = [found for node in statements[:2] if (found := syntax.thread_index(tree, node))]
    sides = {all_launches.block(geometry) for geometry in all_launches.of(kernel.name)}
    square = sides.pop() if len(sides) == 1 else None
    if len(indices) != 2 or {axis for _, axis in indices} != {"x", "y"} or len(statements) < 3 or syntax.synchronises(tree, body):
        return None
    if square is None or len(square) != 2 or square[0] != square[1] or square[0] not in (8, 16, 32):
        return None
    guard = statements[2]
    condition = guard.child_by_field_name("condition")
    consequence = guard.child_by_field_name("consequence")
    if guard.type != "if_statement" or condition is None or consequence is None or guard.child_by_field_name("alternative") is not None:
        return None
    inner = syntax.statements(consequence)
    skips = [node.type for node in inner] == ["return_statement"]
    if not skips and len(statements) > 3:
        return None
    ends = _ends(syntax.squeeze(tree.text_of(condition)), skips)
    work = statements[3:] if skips else inner
    axes = dict(indices)
    if ends.keys() != axes.keys() or not work or any(syntax.leaves(tree, node) for node in work):
        return None
    return Plane(axes, ends, guard, work, work[-1] if skips else guard, square[0])


def _ends(condition: str, skips: bool) -> dict[str, str]:
    """{variable: bound} of `(a<A&&b<B)`, or of its opposite `(a>=A||b>=B)`."""
    sign, joint = (">=", "||") if skips else ("<", "&&")
    pairs = [re.fullmatch(rf"\(*(\w+){sign}(\w+)\)*", part) for part in condition.split(joint)]
    return {match[1]: match[2] for match in pairs if match} if len(pairs) == 2 and all(pairs) else {}


def linear(text: str) -> tuple[str, str, str] | None:
    """(row, stride, column) of the index `row * stride + column`, in any order of the two terms."""
    flat = syntax.squeeze(text)
    match = re.fullmatch(r"(\w+)\*(\w+)\+(\w+)", flat)
    if match:
        return match[1], match[2], match[3]
    match = re.fullmatch(r"(\w+)\+(\w+)\*(\w+)", flat)
    return (match[2], match[3], match[1]) if match else None


def product(tree: Tree, kernel: Kernel, found: Plane) -> Product | None:
    """The one matrix product in a plane's work, if all around it is plain."""
    loops = [(node, factors) for node in found.work if (factors := _factors(tree, found, node)) is not None]
    if len(loops) != 1:
        return None
    loop, (total, inner, left, right, row, col, width) = loops[0]
    position = found.work.index(loop)
    before, after = found.work[:position], found.work[position + 1 :]
    plain = all(node.type == "declaration" and not any(True for _ in tree.walk("subscript_expression", under=node)) for node in before)
    declared = {name for node in before for name in syntax.changed(tree, node)}
    parameters = {p.name for p in kernel.parameters}
    if not plain or not after or total not in declared or not {left, right} <= parameters:
        return None
    return Product(loop, total, inner, left, right, row, col, width, before, after)


def _factors(tree: Tree, found: Plane, node: Node) -> tuple[str, ...] | None:
    """Total, inner length, left and right buffer, row, column and width of a loop that is such a product."""
    loop = syntax.loop(tree, node)
    statements = syntax.statements(loop.body) if loop else []
    if loop is None or len(statements) != 1 or tree.text_of(loop.start) != "0":
        return None
    text = syntax.squeeze(tree.text_of(statements[0]))
    match = re.fullmatch(r"(\w+)\+=(\w+)\[([^\[\]]+)\]\*(\w+)\[([^\[\]]+)\];", text)
    if match is None:
        return None
    total, inner = match[1], tree.text_of(loop.bound)
    for left, a, right, b in ((match[2], match[3], match[4], match[5]), (match[4], match[5], match[2], match[3])):
        first, second = linear(a), linear(b)
        if first is None or second is None or first[1:] != (inner, loop.var) or second[0] != loop.var:
            continue
        row, col, width = first[0], second[2], second[1]
        if {row, col} == set(found.axes) and found.ends[col] == width:
            return total, inner, left, right, row, col, width
    return None
