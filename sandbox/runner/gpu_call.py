"""One call of the candidate, ready on the GPU: buffers between guard bands, poisoned outputs, and launches with packed arguments.

Decides what a call may touch. Each buffer lies between two guard bands of a random pattern, the rear one right behind the last
element, so that a write past the end shows even where the allocation is larger. Outputs and scratch are filled with 0xFF bytes
(NaN, or -1) before every launch; what a call may read and write is put back.
"""

from __future__ import annotations

import ctypes
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gpu_base import CudaFailure, Gpu, Param, param
from gpu_elf import address_of, addresses

GUARD = 256  # bytes: also the alignment that cudaMalloc gives, so buffers keep it
POISON = 0xFF

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
_PATTERN = np.frombuffer(secrets.token_bytes(2 * GUARD), np.uint8)

Launch = Callable[[], None]


class NotLoadable(Exception):
    """The candidate's shared object cannot be loaded, or has no such entry."""


class Buffer:
    """`nbytes` on the GPU with a guard band on either side."""

    def __init__(self, gpu: Gpu, nbytes: int) -> None:
        self._gpu = gpu
        self.nbytes = nbytes
        self._rear = GUARD + -nbytes % GUARD
        self._base = gpu.allocate(GUARD + nbytes + self._rear)
        self.pointer = self._base + GUARD
        gpu.upload(self._base, _PATTERN[:GUARD])
        gpu.upload(self.pointer + nbytes, _PATTERN[: self._rear])

    def breach(self) -> str | None:
        """Where a guard band was overwritten, in words."""
        for place, pointer, size in (("before the start", self._base, GUARD), ("past the end", self.pointer + self.nbytes, self._rear)):
            band = np.empty(size, np.uint8)
            self._gpu.download(pointer, band)
            if not np.array_equal(band, _PATTERN[:size]):
                return place
        return None

    def free(self) -> None:
        self._gpu.free(self._base)


class Tensor:
    """An argument in device memory. Contents come from a file in the job's input folder, results go to one in its output folder."""

    def __init__(self, gpu: Gpu, spec: Mapping[str, Any], inputs: Path) -> None:
        self.name: str = spec["name"]
        self.output: str | None = spec["output"]
        self._gpu = gpu
        self.buffer = Buffer(gpu, spec["nbytes"])
        self._contents = None if spec["input"] is None else np.memmap(inputs / spec["input"], np.uint8, "r", shape=(spec["nbytes"],))
        self._pristine: Buffer | None = None
        if self._contents is not None:
            gpu.upload(self.buffer.pointer, self._contents)
            if self.output is not None:  # read and written: a copy on the GPU puts it back before each launch
                self._pristine = Buffer(gpu, spec["nbytes"])
                gpu.upload(self._pristine.pointer, self._contents)

    def reset(self) -> None:
        if self._pristine is not None:
            self._gpu.copy(self.buffer.pointer, self._pristine.pointer, self.buffer.nbytes)
        elif self._contents is None:
            self._gpu.fill(self.buffer.pointer, POISON, self.buffer.nbytes)

    def tampering(self) -> str | None:
        """What the candidate did here that it may not, in words."""
        if place := self.buffer.breach():
            return f"wrote {place} of {self.name}"
        if self.output is None and self._contents is not None:
            now = np.empty(self.buffer.nbytes, np.uint8)
            self._gpu.download(self.buffer.pointer, now)
            if not np.array_equal(now, self._contents):
                return f"changed its input {self.name}"
        return None

    def write(self, outputs: Path) -> None:
        if self.output is not None:
            self._gpu.download(self.buffer.pointer, np.memmap(outputs / self.output, np.uint8, "r+", shape=(self.buffer.nbytes,)))

    def free(self) -> None:
        self.buffer.free()
        if self._pristine is not None:
            self._pristine.free()


class Call:
    """Arguments on the GPU and the launches of one call. `close` gives the memory back."""

    def __init__(self, gpu: Gpu, program: Program, spec: Mapping[str, Any], inputs: Path) -> None:
        self.label: str = spec["label"]
        self._gpu = gpu
        self._args: list[Tensor | Param] = [
            Tensor(gpu, arg, inputs) if "nbytes" in arg else param(arg["dtype"], arg["value"]) for arg in spec["args"]
        ]
        self._tensors = [arg for arg in self._args if isinstance(arg, Tensor)]
        self._scratch = [Buffer(gpu, nbytes) for nbytes in spec["scratch"]]
        self._launches = program.launches(self, spec)

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

    def reset(self) -> None:
        """Poison what is only written, put back what is read and written. Queued, not waited for."""
        for tensor in self._tensors:
            tensor.reset()
        for buffer in self._scratch:
            self._gpu.fill(buffer.pointer, POISON, buffer.nbytes)

    def launch(self) -> None:
        for launch in self._launches:
            launch()

    def tampering(self) -> str | None:
        found = (tensor.tampering() for tensor in self._tensors)
        breaches = (f"wrote {place} of a scratch buffer" for buffer in self._scratch if (place := buffer.breach()))
        return next((text for text in (*found, *breaches) if text), None)

    def write(self, outputs: Path) -> None:
        for tensor in self._tensors:
            tensor.write(outputs)

    def close(self) -> None:
        for tensor in self._tensors:
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
