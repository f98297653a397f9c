"""Kinds and shapes of the entry's buffers, from what its kernels do with them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from kernelsearch.draft.entry import Entry, dtype, elements
from kernelsearch.draft.kernel import Access, Reading
from kernelsearch.draft.polynomial import Polynomial, product
from kernelsearch.model import ArgKind
from kernelsearch.source import Parameter

_MATMUL = {"a": ("m", "k"), "b": ("k", "n"), "c": ("m", "n")}
_SAMPLES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149)  # primes: products of different sizes differ


@dataclass(slots=True)
class Buffer:
    """What was found out about one pointer. `shape` is None when it must be asked for; `high` bounds an index buffer's contents."""

    name: str
    kind: ArgKind
    shape: list[Polynomial] | None = None
    assumed: str = ""  # why the shape is only likely
    high: Polynomial | None = None
    bordered: bool = False  # only its interior is written
    structured: bool = False  # its elements end loops, so random contents make no sense


class Shapes:
    """The buffers of an entry."""

    def __init__(self, entry: Entry, readings: list[Reading]) -> None:
        self.entry = entry
        self.sizes = [p.name for p in entry.parameters if is_size(p)]
        self.readings = readings
        self.by_name = {p.name: self._buffer(p) for p in entry.parameters if p.pointer}
        for buffer in self.by_name.values():
            buffer.shape = self._shape(buffer.name)
            if buffer.kind is ArgKind.OUTPUT and self._border(buffer.name):
                buffer.kind, buffer.bordered = ArgKind.INOUT, True
        self._gathers()
        self._conventions()
        self._gathers()
        self._unpack()

    def largest(self, polynomials: list[Polynomial]) -> Polynomial | None:
        """The one with the greatest value when all sizes are of one order."""
        known = [p for p in polynomials if p.names <= set(self.sizes)]
        return max(known, key=lambda p: (self._sample(p), p.terms), default=None)

    def _buffer(self, parameter: Parameter) -> Buffer:
        accesses = [a for reading in self.readings for a in reading.accesses if a.buffer == parameter.name]
        cleared = f"cudaMemset({parameter.name}" in self.entry.host.replace("cudaMemsetAsync", "cudaMemset")
        if parameter.const or (accesses and not any(a.writes for a in accesses)):
            kind = ArgKind.INPUT
        else:
            kind = ArgKind.INOUT if accesses and accesses[0].reads and not cleared else ArgKind.OUTPUT
        ends = any(parameter.name in reading.loop_ends for reading in self.readings)
        return Buffer(parameter.name, kind, structured=ends)

    def _shape(self, name: str) -> list[Polynomial] | None:
        found: list[list[Polynomial]] = []
        for reading in self.readings:
            indices = [a.index for a in reading.accesses if a.buffer == name and a.index is not None]
            found += [dims for index in indices if (dims := self._extents(index, reading)) is not None]
        return max(found, key=lambda dims: (self._count(dims), len(dims)), default=None)

    def _stencil(self, reading: Reading) -> bool:
        """Whether neighbours on both sides are read: then guards keep away from a border that the buffers have all the same."""
        terms = (term for access in reading.accesses if access.index is not None for term in access.index.terms)
        return any(coefficient < 0 for _, coefficient in terms)

    def _end(self, name: str, reading: Reading) -> Polynomial:
        """How far a variable runs; the name "?" when that is not known."""
        end = reading.bounds.get(name)
        if end is None or not end.names <= set(self.sizes):
            return Polynomial.name("?")
        inside = end - Polynomial.number(end.constant)
        return inside if end.constant < 0 and len(inside.terms) == 1 and self._stencil(reading) else end

    def _extents(self, index: Polynomial, reading: Reading) -> list[Polynomial] | None:
        """Row-major extents that an index runs through; None when a variable's range or a stride is not known."""
        sizes = set(self.sizes)
        ends: dict[Polynomial, list[Polynomial]] = {}
        offset = Polynomial.number(0)
        for monomial, coefficient in index.terms:
            variables = [name for name in monomial if name not in sizes]
            stride = Polynomial.of({tuple(name for name in monomial if name in sizes): coefficient})
            if not variables:
                offset += stride
            elif len(variables) > 1 or coefficient < 0:
                return None
            else:
                ends.setdefault(stride, []).append(self._end(variables[0], reading))
        if not ends:
            last = offset + Polynomial.number(1)
            return last.factors(self.sizes) if self._sample(last) > 0 else None
        strides = sorted(ends, key=self._sample, reverse=True)
        outer = Polynomial.number(1 - len(ends[strides[0]]))
        for end in ends[strides[0]]:
            outer += end
        extra = None if self._stencil(reading) else offset.over(strides[0])
        outer += extra if extra is not None and self._sample(extra) > 0 else Polynomial.number(0)
        steps = [*strides, Polynomial.number(1)] if strides[-1] != Polynomial.number(1) else strides
        inner = [wide.over(narrow) for wide, narrow in pairwise(steps)]
        if "?" in outer.names or any(step is None for step in inner):
            return None
        dims = [*outer.factors(self.sizes), *(step for step in inner if step is not None)]
        return [dim for dim in dims if dim != Polynomial.number(1)] or [Polynomial.number(1)]

    def _border(self, name: str) -> bool:
        """Whether every store to a buffer is guarded away from a border."""
        for reading in self.readings:
            stores = [a.index for a in reading.accesses if a.buffer == name and a.writes and a.index is not None]
            kept = {variable for variable, end in reading.bounds.items() if self._end(variable, reading) != end and "?" not in end.names}
            if self._stencil(reading) and stores and all(index.names & kept for index in stores):
                return True
        return False

    def _gathers(self) -> None:
        """Buffers that are indexed by another's contents: as long as the one size that no shape has used yet, and the bound of those
        contents."""
        for reading in self.readings:
            for access in reading.accesses:
                inner, buffer = self._indexing(access), self.by_name.get(access.buffer)
                if inner is None or buffer is None:
                    continue
                free = self._unused()
                if buffer.shape is None and len(free) == 1:
                    buffer.shape = [Polynomial.name(free[0])]
                    buffer.assumed = f"it is indexed by the contents of {inner.name}, and no other buffer has the size {free[0]}"
                if buffer.shape is not None and len(buffer.shape) == 1:
                    inner.high = buffer.shape[0]

    def _indexing(self, access: Access) -> Buffer | None:
        """The buffer whose contents are the index of `access`."""
        if access.index is None:
            return None
        names = [name.split("[")[0] for name in access.index.names if "[" in name]
        passed = [arg for name in names for arg in self._passed(name)]
        found = [self.by_name[name] for name in passed if name in self.by_name and name != access.buffer]
        return found[0] if len(found) == 1 else None

    def _passed(self, parameter: str) -> set[str]:
        pairs = [(p.name, arg) for use in self.entry.uses for p, arg in zip(use.kernel.parameters, use.args, strict=False)]
        return {arg for name, arg in pairs if name == parameter}

    def _unused(self) -> list[str]:
        used = {name for b in self.by_name.values() if b.shape is not None for dim in b.shape for name in dim.names}
        return [size for size in self.sizes if size not in used]

    def _unpack(self) -> None:
        """Vector types are told as one more dimension of their elements."""
        for parameter in self.entry.parameters:
            buffer, held = self.by_name.get(parameter.name), elements(parameter)
            if buffer is not None and buffer.shape is not None and held is not None and held[1] > 1:
                buffer.shape = [*buffer.shape, Polynomial.number(held[1])]

    def _conventions(self) -> None:
        """What names commonly mean, for buffers whose indices said nothing."""
        sizes = {size.lower(): size for size in self.sizes}
        for buffer in self.by_name.values():
            if buffer.shape is not None:
                continue
            dims = _MATMUL.get(buffer.name.lower().removeprefix("d_"))
            if dims and all(dim in sizes for dim in dims):
                buffer.shape, buffer.assumed = [Polynomial.name(sizes[dim]) for dim in dims], "by the usual names of a matrix product"
            elif "nnz" in sizes and any(part in buffer.name.lower() for part in ("val", "col", "data", "ind")):
                buffer.shape, buffer.assumed = [Polynomial.name(sizes["nnz"])], "one for each non-zero, by its name"
            elif len(self.sizes) == 1 and not buffer.structured and not self._data_dependent(buffer.name):
                buffer.shape, buffer.assumed = [Polynomial.name(self.sizes[0])], f"{self.sizes[0]} is the only size"

    def _data_dependent(self, name: str) -> bool:
        accesses = [a for reading in self.readings for a in reading.accesses if a.buffer == name]
        return any(a.index is not None and any("[" in n for n in a.index.names) for a in accesses)

    def _sample(self, value: Polynomial) -> int:
        return value.value(dict(zip(self.sizes, _SAMPLES, strict=False)))

    def _count(self, dims: list[Polynomial]) -> int:
        return self._sample(product(dims))


def is_size(parameter: Parameter) -> bool:
    """Whether a parameter is an integer passed by value."""
    kind = dtype(parameter.type)
    return not parameter.pointer and kind is not None and not kind.is_float
