"""Four neighbouring elements a thread, loaded and stored as one 16-byte vector; the last few elements one by one.

Buffers come from the allocator, so their first element is aligned; a launch that passes `x + 1` is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from kernelsearch.errors import UsageError
from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.propose.rules.elementwise import Elementwise, elementwise
from kernelsearch.propose.rules.geometry import ceiling, read_launches
from kernelsearch.source import Edit, Kernel, Node, Parameter, Tree, apply, kernels, launch_plan, launches, parse

_VECTORS = {"float": "float4", "int": "int4", "unsigned": "uint4", "unsigned int": "uint4"}
_MEMBERS = ("x", "y", "z", "w")


class VectorLoads:
    """For kernels with one thread an element that touch every buffer at that element alone."""

    name = "vector-loads"
    relieves = (Resource.DRAM_BANDWIDTH, Resource.L2, Resource.LATENCY)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree, all_launches = parse(program.source), read_launches(program.source)
        for kernel in kernels(program.source):
            found = elementwise(tree, kernel)
            buffers = _buffers(tree, kernel, found) if found else {}
            if found is None or not buffers or not _aligned(program.source, kernel) or not all_launches.owned(kernel.name):
                continue
            grids = all_launches.rescale(kernel.name, partial(ceiling, by=4))
            if grids:
                edits = _edits(tree, kernel, found, buffers)
                summary = f"four elements at a time in {kernel.name}"
                source = apply(program.source, [*edits, *grids])
                yield Rewrite(source=source, flags=program.flags, directive=self.name, summary=summary)


def _buffers(tree: Tree, kernel: Kernel, found: Elementwise) -> dict[str, tuple[Parameter, list[Node]]]:
    """The kernel's buffers with their accesses; empty when one is not accessed at the thread's element alone."""
    result = {}
    body = syntax.body(tree, kernel)
    for parameter in kernel.parameters:
        accesses = syntax.subscripts(tree, body, parameter.name) if parameter.pointer else []
        if accesses is None or any(syntax.squeeze(index) != found.var for _, index in accesses):
            return {}
        if accesses and parameter.type not in _VECTORS:
            return {}
        if accesses:
            result[parameter.name] = (parameter, [access for access, _ in accesses])
    return result


def _aligned(source: str, kernel: Kernel) -> bool:
    """Whether every launch passes buffers as they are."""
    passed = [site.args for site in launches(source) if site.kernel_name == kernel.name]
    try:
        passed += [] if passed else [launch.args for launch in launch_plan(source).launches if launch.kernel == kernel.name]
    except UsageError:
        return False
    pointers = [i for i, parameter in enumerate(kernel.parameters) if parameter.pointer]
    return bool(passed) and all(len(args) == len(kernel.parameters) and all(args[i].isidentifier() for i in pointers) for args in passed)


def _edits(tree: Tree, kernel: Kernel, found: Elementwise, buffers: dict[str, tuple[Parameter, list[Node]]]) -> list[Edit]:
    taken = syntax.names(tree, syntax.body(tree, kernel))
    first = next(name for name in ("first", "first_element", "first_of_thread") if name not in taken)
    start, end = found.work[0].start_byte, found.work[-1].end_byte
    accesses = [(name, access) for name, (_, nodes) in buffers.items() for access in nodes]
    inside = [Edit(a.start_byte - start, a.end_byte - start, f"{name}_part[part]") for name, a in accesses if start <= a.start_byte < end]
    indent = syntax.indent(tree, found.index.start_byte)
    work, vectored = tree.slice(start, end), apply(tree.slice(start, end), inside)
    margin = "\n" + syntax.indent(tree, start)
    lines = [
        f"{found.type} {first} = (blockIdx.x * blockDim.x + threadIdx.x) * 4;",
        f"if ({first} + 3 < {found.end}) {{",
        *(f"    {line}" for p, nodes in buffers.values() for line in _loaded(p, _plain_store(nodes[0], found.work), first)),
        "    #pragma unroll",
        "    for (int part = 0; part < 4; ++part) {",
        *([f"        {found.type} {found.var} = {first} + part;"] if _needs_index(tree, found, accesses) else []),
        "        " + vectored.replace(margin, f"\n{indent}        "),
        "    }",
        *(f"    {_stored(name, p, first)}" for name, (p, nodes) in buffers.items() if any(syntax.is_write(node) for node in nodes)),
        "} else {",
        f"    for ({found.type} {found.var} = {first}; {found.var} < {found.end}; ++{found.var}) {{",
        "        " + work.replace(margin, f"\n{indent}        "),
        "    }",
        "}",
    ]
    return [syntax.anew(tree, found.index.start_byte, found.last.end_byte, f"\n{indent}".join(lines))]


def _needs_index(tree: Tree, found: Elementwise, accesses: list[tuple[str, Node]]) -> bool:
    """Whether the work uses the element's number for more than its buffers."""
    uses = sum(tree.text_of(node) == found.var for part in found.work for node in tree.walk("identifier", under=part))
    return uses > len(accesses)


def _loaded(parameter: Parameter, overwritten: bool, first: str) -> Iterator[str]:
    """Lines that make the local array of a buffer; without a load where the first access overwrites it."""
    name, vector = parameter.name, _VECTORS[parameter.type]
    if overwritten:
        yield f"{parameter.type} {name}_part[4];"
        return
    yield f"{vector} {name}_four = reinterpret_cast<const {vector}*>({name})[{first} / 4];"
    yield f"{parameter.type} {name}_part[4] = {{{', '.join(f'{name}_four.{member}' for member in _MEMBERS)}}};"


def _plain_store(access: Node, work: list[Node]) -> bool:
    """Whether an access is the target of an unconditional `=`, and does not stand on its right side too."""
    assignment = access.parent
    if (
        assignment is None
        or assignment.parent not in work
        or assignment.type != "assignment_expression"
        or assignment.children[1].type != "="
    ):
        return False
    right, left = assignment.children[2].text or b"", access.text or b""
    return b"".join(left.split()) not in b"".join(right.split())


def _stored(name: str, parameter: Parameter, first: str) -> str:
    vector = _VECTORS[parameter.type]
    parts = ", ".join(f"{name}_part[{i}]" for i in range(4))
    return f"reinterpret_cast<{vector}*>({name})[{first} / 4] = make_{vector}({parts});"
