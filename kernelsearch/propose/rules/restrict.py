"""`const` and `__restrict__` on the pointer parameters of kernels, so that loads may be cached, merged and moved."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsearch.errors import UsageError
from kernelsearch.model import Resource
from kernelsearch.propose.rules import syntax
from kernelsearch.propose.rules.base import Program, Rewrite
from kernelsearch.source import Edit, Kernel, Parameter, Tree, apply, kernels, launch_plan, launches, parse


class Restrict:
    """For kernels whose launches pass every buffer once. `const` is added where all uses of a pointer are plain reads."""

    name = "restrict"
    relieves = (Resource.LATENCY, Resource.DRAM_BANDWIDTH, Resource.L2)

    def rewrites(self, program: Program) -> Iterator[Rewrite]:
        tree = parse(program.source)
        edits = [edit for kernel in kernels(program.source) if _distinct(program.source, kernel) for edit in _edits(tree, kernel)]
        if edits:
            source = apply(program.source, edits)
            yield Rewrite(source=source, flags=program.flags, directive=self.name, summary="promise that pointers do not alias")


def _distinct(source: str, kernel: Kernel) -> bool:
    """Whether every launch passes different buffers, and no prototype would have to change with the kernel."""
    passed = [site.args for site in launches(source) if site.kernel_name == kernel.name]
    if not passed:
        try:
            passed = [launch.args for launch in launch_plan(source).launches if launch.kernel == kernel.name]
        except UsageError:
            return False
    pointers = [i for i, parameter in enumerate(kernel.parameters) if parameter.pointer]
    buffers = [[args[i] for i in pointers] for args in passed if len(args) == len(kernel.parameters)]
    plain = all(name.isidentifier() for names in buffers for name in names)
    return bool(buffers) and plain and all(len(set(names)) == len(names) for names in buffers) and not _declared(source, kernel)


def _declared(source: str, kernel: Kernel) -> bool:
    tree = parse(source)
    declared = (node.child_by_field_name("declarator") for node in tree.walk("declaration"))
    return any(d is not None and d.type == "function_declarator" and kernel.name in syntax.names(tree, d) for d in declared)


def _edits(tree: Tree, kernel: Kernel) -> Iterator[Edit]:
    body = syntax.body(tree, kernel)
    for parameter in kernel.parameters:
        if not parameter.pointer or parameter.restrict or not parameter.name or "*" not in parameter.text or "[" in parameter.text:
            continue
        accesses = syntax.subscripts(tree, body, parameter.name)
        if accesses and not parameter.const and not any(syntax.is_write(access) for access, _ in accesses):
            yield Edit(parameter.start, parameter.start, "const ")
        star = parameter.start + len(_before_last_star(parameter).encode()) + 1
        yield Edit(star, star, " __restrict__" + ("" if parameter.text[parameter.text.rindex("*") + 1 :][:1] == " " else " "))


def _before_last_star(parameter: Parameter) -> str:
    return parameter.text[: parameter.text.rindex("*")]
