"""The table of a call's memory regions, and the work on it that is ours: contents, poison, guard bands, digests.

`GpuSupport` does it with the kernels of support.cu, `HostSupport` with NumPy where the "GPU" is this process's own memory. Both count
what changed by region and leave the judging to others. Runs inside the box; imports nothing of ours but the two files it was given.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from gpu_base import Gpu, Handle, Param, Ready

DRAWN, COPIED, POISONED, GUARD = range(4)
_ROW = struct.Struct("<QQQqQQQiiii")  # struct Region of support.cu
_THREADS, _BLOCKS = 256, 512
_MASK = (1 << 64) - 1
_SHARED_BYTES = 48 * 1024


@dataclass(frozen=True, slots=True)
class Region:
    """`count` elements at `pointer`. `position` gives each its own stream; `owner` is the argument that messages name."""

    kind: int
    pointer: int
    count: int
    position: int
    owner: int
    dtype: int = 11  # u8
    low: int = 0
    span: int = 1
    source: int = 0
    distribution: int = -1  # in place of the call's own, unless negative
    exponent: int = 0  # floats are scaled by two to this power

    @property
    def stretch(self) -> int:
        """Elements to one spike; as contents.py has it."""
        return max(1, self.count // max(4, self.count // 1000))

    def pack(self) -> bytes:
        numbers = (self.pointer, self.count, self.position, self.low, self.span, self.source, self.stretch)
        return _ROW.pack(*numbers, self.kind, self.dtype, self.distribution, self.exponent)


@dataclass(frozen=True, slots=True)
class Keys:
    """What one call's contents, poison, guard bands and digest depend on."""

    contents: int
    distribution: int
    poison: int
    guard: int
    seal: int


@dataclass(frozen=True, slots=True)
class Seen:
    """After a call: digest of the outputs right behind it and after everything was idle, and elements changed, by region."""

    early: int
    digest: int
    changed: Sequence[int]


class Support(Protocol):
    """Work on one table, in the order prepare, [the call], close, look."""

    def prepare(self, keys: Keys) -> None:
        """Queue everything that must lie ready for a call."""
        ...

    def seal(self, keys: Keys) -> None:
        """Queue the digest of the outputs and the look at what must not have changed."""
        ...

    def look(self, keys: Keys) -> Seen:
        """Once the GPU is idle: digest the outputs again, and read everything."""
        ...

    def free(self) -> None: ...


class GpuSupport:
    """One table on the GPU. `outputs` are digested; `regions` are prepared, and those of inputs and bands looked at."""

    def __init__(self, gpu: Gpu, module: Handle, regions: Sequence[Region], outputs: Sequence[Region]) -> None:
        self._gpu, self._module = gpu, module
        self._regions, self._outputs = len(regions), len(outputs)
        self._table = self._upload(regions)
        self._output_table = self._upload(outputs)
        self._words = np.zeros(2 * self._outputs + self._regions, np.uint64)
        self._results = gpu.allocate(self._words.nbytes)
        drawing = [Param("P", self._table), Param("Q", 0), Param("i", 0)]
        changed = Param("P", self._results + 16 * self._outputs)
        self._prepare = self._ready("ks_prepare", self._regions, [*drawing, Param("Q", 0), Param("Q", 0)])
        self._inspect = self._ready("ks_inspect", self._regions, [*drawing, Param("Q", 0), changed])
        self._shared = gpu.prepare(
            module, "ks_shared", (4 * _BLOCKS, 1, 1), (_THREADS, 1, 1), _SHARED_BYTES, [Param("I", _SHARED_BYTES // 4)]
        )
        self._digests = [
            self._ready(
                "ks_digest",
                self._outputs,
                [Param("P", self._output_table), Param("Q", 0), Param("P", self._results + late * 8 * self._outputs)],
            )
            for late in range(2 if self._outputs else 0)
        ]

    def prepare(self, keys: Keys) -> None:
        for index, value in enumerate((keys.contents, keys.distribution, keys.poison, keys.guard), 1):
            self._prepare.put(index, value)
        self._prepare()
        self._gpu.fill(self._results, 0, self._words.nbytes)
        self._shared()

    def seal(self, keys: Keys) -> None:
        self._digest(keys, 0)
        for index, value in enumerate((keys.contents, keys.distribution, keys.guard), 1):
            self._inspect.put(index, value)
        self._inspect()

    def look(self, keys: Keys) -> Seen:
        self._digest(keys, 1)
        self._gpu.download(self._results, self._words.view(np.uint8))
        found = [int(word) for word in self._words]
        early, digests = found[: self._outputs], found[self._outputs : 2 * self._outputs]
        return Seen(sum(early) & _MASK, sum(digests) & _MASK, found[2 * self._outputs :])

    def free(self) -> None:
        for pointer in (self._table, self._output_table, self._results):
            self._gpu.free(pointer)

    def _digest(self, keys: Keys, late: int) -> None:
        if self._digests:
            self._digests[late].put(1, keys.seal)
            self._digests[late]()

    def _ready(self, kernel: str, rows: int, params: Sequence[Param]) -> Ready:
        return self._gpu.prepare(self._module, kernel, (_BLOCKS, rows, 1), (_THREADS, 1, 1), 0, params)

    def _upload(self, regions: Sequence[Region]) -> int:
        packed = np.frombuffer(b"".join(region.pack() for region in regions) or bytes(8), np.uint8)
        pointer = self._gpu.allocate(packed.nbytes)
        self._gpu.upload(pointer, packed)
        return pointer


class HostSupport:
    """The same on memory of this process. `contents` is kernelsearch/contents.py."""

    def __init__(self, contents: ModuleType, regions: Sequence[Region], outputs: Sequence[Region]) -> None:
        self._contents, self._regions, self._outputs = contents, regions, outputs
        self._pristine: dict[int, bytes] = {}
        self._changed: list[int] = []
        self._early = 0

    def prepare(self, keys: Keys) -> None:
        for index, region in enumerate(self._regions):
            self._pristine[index] = data = self._made(region, keys)
            ctypes.memmove(region.pointer, data, len(data))

    def seal(self, keys: Keys) -> None:
        self._early = self._digests(keys)
        self._changed = [0 if region.kind == POISONED else self._differing(index) for index, region in enumerate(self._regions)]

    def look(self, keys: Keys) -> Seen:
        return Seen(self._early, self._digests(keys), self._changed)

    def free(self) -> None:
        self._pristine.clear()

    def _differing(self, index: int) -> int:
        now, then = _view(self._regions[index], self._contents), np.frombuffer(self._pristine[index], np.uint8)
        return int(np.count_nonzero(now != then))

    def _digests(self, keys: Keys) -> int:
        return sum(self._contents.digest(_view(region, self._contents), keys.seal) for region in self._outputs) & _MASK

    def _made(self, region: Region, keys: Keys) -> bytes:
        if region.kind == COPIED:
            return ctypes.string_at(region.source, region.count)
        dtype = self._contents.DTYPES[region.dtype]
        if region.kind == DRAWN:
            forced = self._contents.DISTRIBUTIONS[region.distribution] if region.distribution >= 0 else ""
            recipe = self._contents.Recipe(
                dtype=dtype,
                position=region.position,
                count=region.count,
                low=region.low,
                span=region.span,
                exponent=region.exponent,
                distribution=forced,
            )
            return bytes(self._contents.draw(recipe, keys.contents, self._contents.DISTRIBUTIONS[keys.distribution]).tobytes())
        nbytes = region.count * np.dtype(self._contents.STORED[dtype]).itemsize
        if region.kind == POISONED and not keys.poison:
            return b"\xff" * nbytes
        key = keys.guard if region.kind == GUARD else keys.poison
        raw = self._contents.Recipe(dtype="u64", position=region.position, count=-(-nbytes // 8), span=_MASK)
        bits = self._contents.draw(raw, key, "normal").tobytes()[:nbytes]
        return _finite(bits, dtype) if region.kind == POISONED else bits


def _finite(bits: bytes, dtype: str) -> bytes:
    """Random bits as large finite floats of either sign; integers as they are."""
    masks: Mapping[str, tuple[Any, int, int]] = {
        "f32": (np.uint32, 0x4B000000, 0x807FFFFF),
        "f16": (np.uint16, 0x6C00, 0x83FF),
        "bf16": (np.uint16, 0x4B00, 0x807F),
        "f64": (np.uint64, 0x4160000000000000, 0x800FFFFFFFFFFFFF),
    }
    if dtype not in masks:
        return bits
    kind, size, random = masks[dtype]
    return bytes((np.frombuffer(bits, kind) & kind(random) | kind(size)).tobytes())


def _view(region: Region, contents: ModuleType) -> np.ndarray:
    nbytes = region.count * np.dtype(contents.STORED[contents.DTYPES[region.dtype]]).itemsize
    return np.frombuffer((ctypes.c_char * nbytes).from_address(region.pointer), np.uint8)
