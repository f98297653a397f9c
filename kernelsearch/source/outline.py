"""What a source declares and launches, as plain values: kernels, host functions, launch sites, shared arrays, syntax problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from kernelsearch.source.tree import Node, Tree, parse

_DECLARATORS = ("pointer_declarator", "array_declarator", "reference_declarator", "parenthesized_declarator", "init_declarator")
_QUALIFIERS = ("type_qualifier", "storage_class_specifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. `type` is the element type without qualifiers; `const` tells of the pointee where it is a pointer."""

    text: str
    type: str
    name: str  # empty when unnamed
    pointer: bool = False
    reference: bool = False
    const: bool = False
    restrict: bool = False
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function with a body. `start` and `end` cover its whole definition, with `template <…>` and its own `extern "C"`."""

    name: str
    parameters: tuple[Parameter, ...]
    extern_c: bool
    template: bool
    line: int
    start: int
    end: int
    body: int  # offset of its opening brace


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel(Function):
    """A `__global__` function with a body. `launch_bounds` holds the arguments of `__launch_bounds__`, empty without it."""

    launch_bounds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSite:
    """`kernel<<<grid, block, shared, stream>>>(args)`: `start` and `end` cover the whole expression, without its semicolon."""

    kernel: str  # with its template arguments, as written
    grid: str
    block: str
    shared: str | None
    stream: str | None
    args: tuple[str, ...]
    function: str  # the enclosing function; empty outside one
    line: int
    start: int
    end: int

    @property
    def kernel_name(self) -> str:
        """Without namespace and template arguments."""
        return self.kernel.split("<")[0].split("::")[-1].strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedArray:
    """A `__shared__` variable; a scalar has no `dims`. `start` and `end` cover its declaration with the semicolon; several
    variables may share it."""

    type: str
    name: str
    dims: tuple[str, ...]
    dynamic: bool  # extern: its size comes from the launch
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A place that does not parse."""

    line: int
    text: str


def kernels(text: str) -> tuple[Kernel, ...]:
    """Every `__global__` function that has a body, in source order."""
    tree = parse(text)
    found = []
    for node in tree.walk("function_definition"):
        function = _function(tree, node)
        if function is not None and _has(node, "__global__"):
            bounds = _first(node, "launch_bounds")
            texts = () if bounds is None else tuple(tree.text_of(child) for child in _values(bounds))
            found.append(Kernel(**{f.name: getattr(function, f.name) for f in fields(function)}, launch_bounds=texts))
    return tuple(found)


def functions(text: str) -> tuple[Function, ...]:
    """Every function with a body that the host can call, in source order."""
    return _functions(text, lambda node: not _has(node, "__global__") and (_has(node, "__host__") or not _has(node, "__device__")))


def device_functions(text: str) -> tuple[Function, ...]:
    """Every `__device__` function with a body, in source order."""
    return _functions(text, lambda node: _has(node, "__device__"))


def _functions(text: str, wanted: Callable[[Node], bool]) -> tuple[Function, ...]:
    tree = parse(text)
    found = (_function(tree, node) for node in tree.walk("function_definition") if wanted(node))
    return tuple(function for function in found if function is not None)


def launches(text: str) -> tuple[LaunchSite, ...]:
    """Every triple-bracket launch, in source order."""
    tree = parse(text)
    found = []
    for syntax in tree.walk("kernel_call_syntax"):
        call = syntax.parent
        if call is None or call.type != "call_expression":
            continue
        callee, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
        configuration = [tree.text_of(child) for child in _values(syntax)]
        if callee is None or arguments is None or len(configuration) < 2:
            continue
        found.append(
            LaunchSite(
                kernel=tree.text_of(callee),
                grid=configuration[0],
                block=configuration[1],
                shared=configuration[2] if len(configuration) > 2 else None,
                stream=configuration[3] if len(configuration) > 3 else None,
                args=tuple(tree.text_of(child) for child in _values(arguments)),
                function=_enclosing(tree, call),
                line=tree.line(call.start_byte),
                start=call.start_byte,
                end=call.end_byte,
            )
        )
    return tuple(found)


def shared_arrays(text: str) -> tuple[SharedArray, ...]:
    """Every `__shared__` variable, in source order."""
    tree = parse(text)
    found = []
    for node in tree.walk("declaration"):
        if not any(child.type in _QUALIFIERS and tree.text_of(child) == "__shared__" for child in node.children):
            continue
        kind = node.child_by_field_name("type")
        dynamic = any(child.type == "storage_class_specifier" and tree.text_of(child) == "extern" for child in node.children)
        for declarator in node.children_by_field_name("declarator"):
            name, dims = _array(tree, declarator)
            found.append(
                SharedArray(
                    type="" if kind is None else tree.text_of(kind),
                    name=name,
                    dims=dims,
                    dynamic=dynamic,
                    line=tree.line(node.start_byte),
                    start=node.start_byte,
                    end=node.end_byte,
                )
            )
    return tuple(found)


def problems(text: str) -> tuple[Problem, ...]:
    """Places that do not parse, in source order, with the text there."""
    tree = parse(text)
    if not tree.root.has_error:
        return ()
    return tuple(
        Problem(line=tree.line(node.start_byte), text=tree.text_of(node) or f"missing {node.type!r}")
        for node in tree.walk()
        if node.is_error or node.is_missing
    )


def _values(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _has(node: Node, kind: str) -> bool:
    return any(child.type == kind for child in node.children)


def _first(node: Node, *kinds: str) -> Node | None:
    return next((child for child in node.named_children if child.type in kinds), None)


def _ancestors(node: Node) -> list[Node]:
    found = []
    parent = node.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found


def _template(node: Node) -> bool:
    return node.parent is not None and node.parent.type == "template_declaration"


def _outermost(node: Node) -> Node:
    """The definition with the `template <…>` and the one-function `extern "C"` around it."""
    while (parent := node.parent) is not None and parent.type in ("template_declaration", "linkage_specification"):
        node = parent
    return node


def _extern_c(tree: Tree, node: Node) -> bool:
    linkages = (parent.child_by_field_name("value") for parent in _ancestors(node) if parent.type == "linkage_specification")
    return any(value is not None and tree.text_of(value) == '"C"' for value in linkages)


def _function(tree: Tree, node: Node) -> Function | None:
    signature = _signature(tree, node)
    if signature is None:
        return None
    name, parameters, body = signature
    outer = _outermost(node)
    return Function(
        name=name,
        parameters=parameters,
        extern_c=_extern_c(tree, node),
        template=_template(node),
        line=tree.line(node.start_byte),
        start=outer.start_byte,
        end=outer.end_byte,
        body=body.start_byte,
    )


def _enclosing(tree: Tree, node: Node) -> str:
    for parent in _ancestors(node):
        if parent.type == "function_definition" and (signature := _signature(tree, parent)) is not None:
            return signature[0]
    return ""


def _signature(tree: Tree, node: Node) -> tuple[str, tuple[Parameter, ...], Node] | None:
    """Name, parameters and body of a function definition; None for what the grammar only took for one."""
    declarator, body = node.child_by_field_name("declarator"), node.child_by_field_name("body")
    while declarator is not None and declarator.type != "function_declarator":
        declarator = declarator.child_by_field_name("declarator") or _first(declarator, "function_declarator", *_DECLARATORS)
    if declarator is None or body is None:
        return None
    name, parameters = declarator.child_by_field_name("declarator"), declarator.child_by_field_name("parameters")
    if name is None or parameters is None:
        return None
    read = (_parameter(tree, child) for child in parameters.named_children if child.type.endswith("parameter_declaration"))
    return tree.text_of(name), tuple(parameter for parameter in read if parameter is not None), body


def _parameter(tree: Tree, node: Node) -> Parameter | None:
    kind, declarator = node.child_by_field_name("type"), node.child_by_field_name("declarator")
    if kind is None or (tree.text_of(kind) == "void" and declarator is None):
        return None
    layers: list[Node] = []
    inner = declarator
    while inner is not None and (inner.type in _DECLARATORS or inner.type.startswith("abstract_")):
        layers.append(inner)
        inner = inner.child_by_field_name("declarator") or _first(inner, "identifier")
    kinds = [layer.type for layer in layers]
    qualifiers = [tree.text_of(child) for child in node.children if child.type == "type_qualifier"]
    on_pointer = {tree.text_of(child) for layer in layers for child in layer.children if child.type == "type_qualifier"}
    return Parameter(
        text=tree.text_of(node),
        type=tree.text_of(kind),
        name="" if inner is None else tree.text_of(inner),
        pointer=any("pointer" in k or "array" in k for k in kinds),
        reference=any("reference" in k for k in kinds),
        const="const" in qualifiers,
        restrict=bool(on_pointer & {"__restrict__", "__restrict", "restrict"}),
        start=node.start_byte,
        end=node.end_byte,
    )


def _array(tree: Tree, declarator: Node) -> tuple[str, tuple[str, ...]]:
    dims: list[str] = []
    node = declarator
    while node.type in _DECLARATORS:
        if node.type == "array_declarator":
            size = node.child_by_field_name("size")
            dims.insert(0, "" if size is None else tree.text_of(size))
        inner = node.child_by_field_name("declarator")
        if inner is None:
            break
        node = inner
    return tree.text_of(node), tuple(dims)
