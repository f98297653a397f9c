"""One call of the candidate, ready on the GPU: buffers between guard bands, what must lie in them, and launches with packed arguments.

Decides what a call may touch. Each buffer lies between two guard bands, the rear one right behind the last element, so that a write past
the end shows even where the allocation is larger. What lies in buffers and bands is for `gpu_regions` to make and to look at.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gpu_base import CudaFailure, Gpu, Param, param
from gpu_elf import address_of, addresses
from gpu_regions import COPIED, DRAWN, GUARD, POISONED, Region

BAND = 256  # bytes: also the alignment that cudaMalloc gives, so buffers keep it
_U8, _U64 = 11, 8  # in contents.DTYPES
_DTYPES = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool")

_C_TYPES: dict[str, Any] = {
    "d": ctypes.c_double,
    "f": ctypes.c_float,
    "q": ctypes.c_int64,
    "i": ctypes.c_int32,
    "h": ctypes.c_int16,
    "b": ctypes.c_int8,
    "Q": ctypes.c_uint64,
    "I": ctypes.c_uint32,
    "H": ctypes.c_uint16,
    "B": ctypes.c_uint8,
    "P": ctypes.c_void_p,
}

Launch = Callable[[], None]


@runtime_checkable
class Staged(Protocol):
    """A launch with work of ours before and behind it."""

    def ready(self) -> None: ...

    def compute(self) -> None: ...

    def collect(self) -> None: ...

    def __call__(self) -> None: ...


class NotLoadable(Exception):
    """The candidate's shared object cannot be loaded, or has no such entry."""


class Disguised(Exception):
    """What was returned is no plain tensor in memory of its own: there is no honest way to come by one."""


class Buffer:
    """`nbytes` on the GPU with a guard band on either side; `shift` bytes further into its allocation than it need be.

    Without bands (`shift` None) it is an allocation of its own, of just that size: a sanitizer knows where it ends.
    """

    def __init__(self, gpu: Gpu, nbytes: int, shift: int | None = 0) -> None:
        self._gpu = gpu
        self.nbytes = nbytes
        front = 0 if shift is None else shift + BAND
        self._rear = 0 if shift is None else BAND + -nbytes % BAND
        self._base = gpu.allocate(front + nbytes + self._rear)
        self.pointer = self._base + front

    def bands(self, position: int, owner: int) -> list[Region]:
        if not self._rear:
            return []
        front = Region(GUARD, self.pointer - BAND, BAND, 2 * position, owner)
        return [front, Region(GUARD, self.pointer + self.nbytes, self._rear, 2 * position + 1, owner)]

    def free(self) -> None:
        self._gpu.free(self._base)


class Tensor:
    """An argument in device memory. Its contents are drawn, copied from a file in the job's input folder, or poison."""

    def __init__(self, gpu: Gpu, spec: Mapping[str, Any], position: int, inputs: Path, shift: int | None) -> None:
        self.name: str = spec["name"]
        self.dtype: str = spec["dtype"]
        self.shape: Sequence[int] = spec["shape"]
        self.written: bool = spec["written"]
        self._gpu, self._spec, self._position = gpu, spec, position
        self.buffer = Buffer(gpu, spec["nbytes"], shift)
        self._pristine: Buffer | None = None
        if spec["input"] is not None:
            self._pristine = Buffer(gpu, spec["nbytes"], None)
            gpu.upload(self._pristine.pointer, np.memmap(inputs / spec["input"], np.uint8, "r", shape=(spec["nbytes"],)))

    @property
    def contents(self) -> Region:
        """What must lie here before a call."""
        where, dtype = self.buffer.pointer, _DTYPES.index(self.dtype)
        if self._pristine is not None:
            return Region(COPIED, where, self.buffer.nbytes, self._position, self._position, source=self._pristine.pointer)
        if (draw := self._spec["draw"]) is None:
            return Region(POISONED, where, self._spec["count"], self._position, self._position, dtype)
        return Region(
            DRAWN,
            where,
            self._spec["count"],
            self._position,
            self._position,
            dtype,
            low=draw["low"],
            span=draw["span"],
            distribution=draw["distribution"],
            exponent=draw["exponent"],
        )

    @property
    def bytes_region(self) -> Region:
        return Region(COPIED, self.buffer.pointer, self.buffer.nbytes, self._position, self._position)

    def export(self, file: Path) -> None:
        self._gpu.download(self.buffer.pointer, np.memmap(file, np.uint8, "r+", shape=(self.buffer.nbytes,)))

    def free(self) -> None:
        self.buffer.free()
        if self._pristine is not None:
            self._pristine.free()


class Call:
    """Arguments on the GPU and the launches of one call. `free` gives the memory back."""

    def __init__(self, gpu: Gpu, program: Program, spec: Mapping[str, Any], inputs: Path, place: int | None = 0) -> None:
        """`place`: which of several sets of buffers this is; each lies a little differently. None: without guard bands."""
        self.label: str = spec["label"]
        shift = None if place is None else place * BAND
        self._args: list[Tensor | Param] = []
        for position, arg in enumerate(spec["args"]):
            tensor = "nbytes" in arg
            self._args.append(Tensor(gpu, arg, position, inputs, shift) if tensor else param(arg["dtype"], arg["value"]))
        self.tensors = [arg for arg in self._args if isinstance(arg, Tensor)]
        self._scratch = [Buffer(gpu, nbytes, shift) for nbytes in spec["scratch"]]
        self._launches = program.launches(self, spec)

    @property
    def launches(self) -> int:
        """How often this process launches for one call, as far as it knows: a launcher's own launches are its own business."""
        return len(self._launches)

    @property
    def regions(self) -> list[Region]:
        """Everything to be prepared before a call. Read and written tensors come last: they may change."""
        found = [tensor.contents for tensor in self.tensors if not tensor.written]
        buffers = [(tensor.buffer, tensor.contents.owner) for tensor in self.tensors]
        buffers += [(buffer, len(self._args) + index) for index, buffer in enumerate(self._scratch)]
        for index, (buffer, owner) in enumerate(buffers):
            found += buffer.bands(len(self._args) + index, owner)
        for buffer, owner in buffers[len(self.tensors) :]:
            count, dtype = (buffer.nbytes // 8, _U64) if buffer.nbytes % 8 == 0 else (buffer.nbytes, _U8)
            found.append(Region(POISONED, buffer.pointer, count, owner, owner, dtype))
        return found + [tensor.contents for tensor in self.tensors if tensor.written]

    @property
    def watched(self) -> int:
        """How many of `regions`, from the first, must be after a call what they were before."""
        return len(self.regions) - sum(tensor.written for tensor in self.tensors)

    @property
    def outputs(self) -> list[Region]:
        return [tensor.bytes_region for tensor in self.tensors if tensor.written]

    def params(self, wanted: Sequence[Mapping[str, Any]] | None) -> list[Param]:
        """Values in the order that `wanted` names them: an argument or a scratch buffer by index, or a number. None: all arguments."""
        if wanted is None:
            return [_param(arg) for arg in self._args]
        found = []
        for item in wanted:
            if "arg" in item:
                found.append(_param(self._args[item["arg"]]))
            elif "scratch" in item:
                found.append(Param("P", self._scratch[item["scratch"]].pointer))
            else:
                found.append(param(item["dtype"], item["value"]))
        return found

    def ready(self) -> None:
        """What must be done before the candidate's own work, and is not part of it."""
        for launch in self._launches:
            if isinstance(launch, Staged):
                launch.ready()

    def launch(self) -> None:
        """The candidate's own work."""
        for launch in self._launches:
            launch.compute() if isinstance(launch, Staged) else launch()

    def collect(self) -> None:
        """Bring outputs that lie elsewhere into their buffers."""
        for launch in self._launches:
            if isinstance(launch, Staged):
                launch.collect()

    def export(self, outputs: Path, number: int) -> None:
        """Write what the outputs hold to the files of export `number`."""
        for index, arg in enumerate(self._args):
            if isinstance(arg, Tensor) and arg.written:
                arg.export(outputs / f"{number}-{index}.bin")

    def free(self) -> None:
        for tensor in self.tensors:
            tensor.free()
        for buffer in self._scratch:
            buffer.free()


class Program:
    """A candidate that is loaded: a cubin whose kernels we launch by plan, or a shared object with an entry."""

    def __init__(self, gpu: Gpu, artifact: Path, entry: str | None) -> None:
        self._gpu = gpu
        self._entry: Any = None
        if entry is None:
            image = artifact.read_bytes()
            self._module = gpu.load(image)
            # Sections of code are named after their kernels.
            self._symbols: set[str] = {name.decode() for name in re.findall(rb"\0\.text\.([A-Za-z0-9_$.]+)(?=\0)", image)}
        else:
            try:
                self._library = ctypes.CDLL(str(artifact))
                self._entry = getattr(self._library, entry)
            except (OSError, AttributeError) as error:
                raise NotLoadable(str(error)) from error
            self._entry.restype = None
            self._last_error = _last_error(artifact, entry, address_of(self._library, entry))

    def launches(self, call: Call, spec: Mapping[str, Any]) -> list[Launch]:
        """What to run for one call, in order."""
        if self._entry is not None:
            return [self._host_call(call.params(None))]
        return [
            self._gpu.prepare(
                self._module, self._symbol(item["kernel"]), item["grid"], item["block"], item["shared"], call.params(item["args"])
            )
            for item in spec["launches"]
        ]

    def _host_call(self, params: Sequence[Param]) -> Launch:
        entry = self._entry
        values = [_C_TYPES[item.code](item.value) for item in params]
        last_error = self._last_error

        def launch() -> None:
            entry(*values)
            if refused := last_error():
                raise CudaFailure(f"{refused} after the launcher returned")

        return launch

    def _symbol(self, kernel: str) -> str:
        """The kernel's name in the cubin: itself if `extern "C"`, else the one mangled name (Itanium C++ ABI) that spells it."""
        if kernel in self._symbols:
            return kernel
        spelled = re.compile(rf"_Z\w*?(?<!\d){len(kernel)}{re.escape(kernel)}")
        found = sorted(symbol for symbol in self._symbols if spelled.match(symbol))
        if len(found) != 1:
            raise CudaFailure(
                f"kernel {kernel!r} is {'ambiguous' if found else 'missing'} in the cubin: {', '.join(found or sorted(self._symbols))}"
            )
        return found[0]


def _last_error(library: Path, entry: str, entry_address: int) -> Callable[[], str | None]:
    """A function that takes the pending error of the CUDA runtime linked into `library`: its name, or None."""
    found = addresses(library, ("cudaGetLastError", "cudaGetErrorName"), entry, entry_address)
    if len(found) < 2:  # stripped: errors show at the next synchronisation, or in the outputs
        return lambda: None
    take = ctypes.CFUNCTYPE(ctypes.c_int)(found["cudaGetLastError"])
    name = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int)(found["cudaGetErrorName"])

    def pending() -> str | None:
        code = take()
        return f"{name(code).decode()}" if code else None

    return pending


def _param(arg: Tensor | Param) -> Param:
    return Param("P", arg.buffer.pointer) if isinstance(arg, Tensor) else arg
