"""What one launch of a kernel does to its buffers: every access with its index, and how far each variable runs.

Names of the kernel's parameters are replaced by what the launch passes, so that everything speaks of the entry's names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kernelsearch import source
from kernelsearch.draft.entry import Use
from kernelsearch.draft.polynomial import Polynomial, evaluate, of_host, product

_ONE = Polynomial.number(1)
_AXES = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class Access:
    """One use of a buffer. `index` is None where it cannot be told."""

    buffer: str  # the entry's name
    index: Polynomial | None
    reads: bool
    writes: bool


@dataclass(slots=True)
class Reading:
    """A launch, read. `bounds`: exclusive upper ends of variables. `reduced`: lengths of loops that accumulate."""

    accesses: list[Access] = field(default_factory=list)
    bounds: dict[str, Polynomial] = field(default_factory=dict)
    reduced: list[Polynomial] = field(default_factory=list)
    loop_ends: set[str] = field(default_factory=set)  # buffers whose elements end loops
    adds_atomically: bool = False
    flops: Polynomial | None = None  # of the whole launch; None when it cannot be told


class Reader:
    """Reads one launch of one kernel, and with `bounds` from outside one call of a device function in it."""

    def __init__(self, text: str, use: Use, bounds: Mapping[str, Polynomial] | None = None, depth: int = 0) -> None:
        self.text = text
        self.depth = depth
        self.tree = source.parse(text)
        self.use = use
        self.body = next(n for n in self.tree.walk("compound_statement") if n.start_byte == use.kernel.body)
        self.passed = {p.name: arg for p, arg in zip(use.kernel.parameters, use.args, strict=False) if p.name}
        self.pointers = {p.name for p in use.kernel.parameters if p.pointer}
        self.values = dict(self._initialisers())
        self.aliases = {name: found for name, node in self.values.items() if (found := self._alias(node)) is not None}
        self.reading = Reading(bounds=dict(bounds or {}))

    def read(self) -> Reading:
        for axis, extent in zip(_AXES, self.use.grid, strict=False):
            self._bound(f"blockIdx.{axis}", of_host(extent))
        for axis, extent in zip(_AXES, self.use.block, strict=False):
            self._bound(f"threadIdx.{axis}", of_host(extent))
        self._find_bounds()
        self._find_quotients()
        self.reading.accesses = [access for _, access in sorted(self._accesses(), key=lambda item: item[0])]
        self.reading.reduced = list(self._reductions())
        self.reading.adds_atomically = "atomicAdd" in self.tree.text_of(self.body)
        self.reading.flops = self._flops()
        for called in self._called():
            self.reading.accesses += called.accesses
            self.reading.reduced += called.reduced
        return self.reading

    def polynomial(self, node: source.Node, depth: int = 0) -> Polynomial:
        return evaluate(self.tree, node, lambda name: self._named(name, depth))

    def _named(self, name: str, depth: int) -> Polynomial:
        if name in self.passed and name not in self.pointers:
            return of_host(self.passed[name])
        if name in self.reading.bounds or name not in self.values or depth > 12:
            return Polynomial.name(name)
        return self.polynomial(self.values[name], depth + 1)

    def _initialisers(self) -> Iterator[tuple[str, source.Node]]:
        """Variables of the kernel that are set where they are declared and never again, loop counters not among them."""
        changed = set()
        for node in self.tree.walk("assignment_expression", "update_expression", under=self.body):
            target = node.child_by_field_name("left") or node.child_by_field_name("argument")
            if target is not None:
                changed.add(self.tree.text_of(target))
        for node in self.tree.walk("init_declarator", under=self.body):
            declarator, value = node.child_by_field_name("declarator"), node.child_by_field_name("value")
            while declarator is not None and declarator.type == "pointer_declarator":
                declarator = declarator.child_by_field_name("declarator")
            if declarator is not None and value is not None and (name := self.tree.text_of(declarator)) not in changed:
                yield name, value

    def _alias(self, node: source.Node) -> tuple[str, source.Node | None] | None:
        """(parameter, offset) of `p + offset`, `&p[offset]` or `p`."""
        if node.type == "identifier" and self.tree.text_of(node) in self.pointers:
            return self.tree.text_of(node), None
        if node.type == "binary_expression" and len(node.children) == 3 and node.children[1].type == "+":
            pointer, offset = node.children[0], node.children[2]
            if self.tree.text_of(pointer) in self.pointers:
                return self.tree.text_of(pointer), offset
        if node.type == "pointer_expression" and (target := node.child_by_field_name("argument")) is not None:
            pointed, indices = target.child_by_field_name("argument"), target.child_by_field_name("indices")
            if pointed is not None and indices is not None and self.tree.text_of(pointed) in self.pointers:
                return self.tree.text_of(pointed), indices.named_children[0]
        return None

    def _bound(self, name: str, end: Polynomial) -> None:
        if name not in self.reading.bounds and all(n.isidentifier() for n in end.names):
            self.reading.bounds[name] = end

    def _find_bounds(self) -> None:
        for node in self.tree.walk("binary_expression", under=self.body):
            operator = node.children[1].type if len(node.children) == 3 else ""
            if operator not in ("<", "<=", ">=", ">"):
                continue
            left, right = node.children[0], node.children[2]
            if operator == ">" and left.type != "identifier":
                left, right, operator = right, left, "<"
            for buffer in self.tree.walk("subscript_expression", under=right):
                if (pointer := buffer.child_by_field_name("argument")) is not None:
                    self.reading.loop_ends |= {self.passed.get(self.tree.text_of(pointer), "")}
            if left.type == "identifier" and (name := self.tree.text_of(left)) not in self.passed:
                end = self.polynomial(right)
                if end.names and end.names <= self._sizes():
                    self._bound(name, end + _ONE if operator in ("<=", ">") else end)

    def _find_quotients(self) -> None:
        """`i / width` and `i % width`, as the names that `evaluate` makes of them."""
        for node in self.tree.walk("binary_expression", under=self.body):
            if len(node.children) != 3 or node.children[1].type not in ("/", "%"):
                continue
            whole, divisor = self.polynomial(node.children[0]), self.polynomial(node.children[2])
            if not divisor.names or not divisor.names <= self._sizes():
                continue
            end = divisor if node.children[1].type == "%" else None
            if end is None and len(whole.names) == 1 and whole.degree == 1:
                end = self.reading.bounds.get(next(iter(whole.names)), Polynomial.number(0)).over(divisor)
            if end is not None and end.terms:
                self._bound(" ".join(self.tree.text_of(node).split()), end)

    def _sizes(self) -> set[str]:
        texts = {arg for name, arg in self.passed.items() if name not in self.pointers}
        return {name for text in texts for name in of_host(text).names}

    def _accesses(self) -> Iterator[tuple[int, Access]]:
        """Every use of a pointer parameter with its place in the order of execution: a plain store comes after its right side."""
        for node in self.tree.walk("identifier", under=self.body):
            name, offset = self.tree.text_of(node), _zero()
            if name in self.aliases:
                name, more = self.aliases[name]
                offset = _zero() if more is None else self.polynomial(more)
            if name not in self.pointers or (node.parent is not None and node.parent.type in ("init_declarator", "pointer_declarator")):
                continue
            if (found := self._access(node, name, offset)) is not None:
                yield found

    def _access(self, node: source.Node, name: str, offset: Polynomial) -> tuple[int, Access] | None:
        buffer = self.passed.get(name, name)
        place, index = node, None
        parent = node.parent
        if parent is None:
            return None
        indices = parent.child_by_field_name("indices") if parent.type == "subscript_expression" else None
        if indices is not None and indices.named_children:  # brackets may be empty in a source that is damaged
            place, index = parent, self.polynomial(indices.named_children[0]) + offset
        elif parent.type == "pointer_expression":
            place, index = parent, offset
        elif parent.type == "binary_expression" and self._is_value_of_alias(parent):
            return None
        elif parent.type == "argument_list" and self._atomic(parent.parent):
            index = offset
        around = place.parent
        if around is not None and around.type == "pointer_expression" and self._is_value_of_alias(around):
            return None
        while around is not None and around.type in ("pointer_expression", "argument_list", "parenthesized_expression"):
            around = around.parent
        if around is None:
            return None
        if self._atomic(around):
            return place.start_byte, Access(buffer, index, reads=True, writes=True)
        if around.type == "update_expression":
            return place.start_byte, Access(buffer, index, reads=True, writes=True)
        if around.type == "assignment_expression" and around.child_by_field_name("left") == place:
            plain = any(child.type == "=" for child in around.children)
            return around.end_byte, Access(buffer, index, reads=not plain, writes=True)
        return place.start_byte, Access(buffer, index, reads=True, writes=False)

    def _atomic(self, node: source.Node | None) -> bool:
        return node is not None and node.type == "call_expression" and "atomic" in self.tree.text_of(node.children[0])

    def _is_value_of_alias(self, node: source.Node) -> bool:
        return node.parent is not None and node.parent.type == "init_declarator" and self._alias(node) is not None

    def _reductions(self) -> Iterator[Polynomial]:
        for loop in self.tree.walk("for_statement", under=self.body):
            inner, end = loop.child_by_field_name("body"), self._trips(loop)
            if inner is None or end is None:
                continue
            if any(child.type == "+=" for node in self.tree.walk("assignment_expression", under=inner) for child in node.children):
                yield end

    def _called(self) -> Iterator[Reading]:
        """What device functions do that are passed a buffer."""
        defined = {function.name: function for function in source.device_functions(self.text)}
        for call in self.tree.walk("call_expression", under=self.body):
            callee, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
            function = defined.get(self.tree.text_of(callee)) if callee is not None else None
            if function is None or arguments is None or self.depth > 3:
                continue
            passed = [self._passed_on(node) for node in arguments.named_children]
            if any(arg in self.passed.values() for arg in passed):
                yield Reader(self.text, Use(kernel=function, args=tuple(passed)), self.reading.bounds, self.depth + 1).read()

    def _passed_on(self, node: source.Node) -> str:
        text = self.tree.text_of(node)
        return self.passed[text] if text in self.pointers else self.polynomial(node).text([])

    def _flops(self) -> Polynomial | None:
        """Arithmetic outside indices, times the trips of the loops around it, times the threads; None where a count is unknown."""
        threads = self._threads()
        total = _zero()
        for node in self.tree.walk("binary_expression", "call_expression", "assignment_expression", under=self.body):
            if not _counts(self.tree, node):
                continue
            times = threads
            for loop in self._loops_around(node):
                trips = self._trips(loop)
                times = None if times is None or trips is None else times * trips
            if times is None:
                return None
            total += times
        return total

    def _threads(self) -> Polynomial | None:
        """How many threads work: the ranges of variables made from thread indices, and of block indices that no such variable has."""
        looped = {name for loop in self.tree.walk("for_statement", under=self.body) if (name := self._counter(loop))}
        indexed = {n: self.tree.text_of(v) for n, v in self.values.items() if "Idx." in self.tree.text_of(v) and n not in looped}
        bounded = {name: text for name, text in indexed.items() if name in self.reading.bounds}
        blocks = [f"blockIdx.{axis}" for axis in _AXES if not any(f"blockIdx.{axis}" in text for text in bounded.values())]
        ranges = [self.reading.bounds[name] for name in (*bounded, *blocks) if name in self.reading.bounds]
        total = product(end for end in ranges if end.names)
        return total if total.names or looped else None

    def _loops_around(self, node: source.Node) -> Iterator[source.Node]:
        parent = node.parent
        while parent is not None and parent != self.body:
            if parent.type in ("for_statement", "while_statement", "do_statement"):
                yield parent
            parent = parent.parent

    def _counter(self, loop: source.Node) -> str | None:
        initial = loop.child_by_field_name("initializer")
        declared = next(self.tree.walk("init_declarator", under=initial), None) if initial is not None else None
        name = declared.child_by_field_name("declarator") if declared is not None else None
        return None if name is None else self.tree.text_of(name)

    def _trips(self, loop: source.Node) -> Polynomial | None:
        """How often a loop runs, counted over all threads that share its range; None unless it counts up to a size."""
        name, condition = self._counter(loop), loop.child_by_field_name("condition")
        if name is None or condition is None or len(condition.children) != 3 or self.tree.text_of(condition.children[0]) != name:
            return None
        end = self.polynomial(condition.children[2])
        return end if end.names <= self._sizes() and condition.children[1].type in ("<", "<=") else None


def _counts(tree: source.Tree, node: source.Node) -> bool:
    """Whether a node is floating-point arithmetic, as far as syntax tells: not in an index, a condition or an integer's value."""
    if node.type == "call_expression":
        kinds: tuple[str, ...] = ("exp", "log", "sqrt", "pow", "tanh", "fma", "sin", "cos", "fmax", "fmin", "fabs", "erf")
        called = tree.text_of(node.children[0]).strip("_")
        if not called.startswith((*kinds, "rsqrt")):
            return False
    else:
        kinds = ("+", "-", "*", "/") if node.type == "binary_expression" else ("+=", "-=", "*=", "/=")
        if not any(child.type in kinds for child in node.children):
            return False
    parent: source.Node | None = node
    while parent is not None and (parent := parent.parent) is not None and parent.type != "compound_statement":
        if parent.type in ("subscript_argument_list", "condition_clause", "conditional_expression"):
            return False
        if parent.type == "for_statement" and node.start_byte < parent.named_children[-1].start_byte:
            return False
        if parent.type == "declaration" and "float" not in tree.text_of(parent) and "double" not in tree.text_of(parent):
            return False
    return True


def _zero() -> Polynomial:
    return Polynomial.number(0)


def read(text: str, use: Use) -> Reading:
    """Everything the draft wants to know of one launch."""
    return Reader(text, use).read()
