"""What the GPU runner needs of a CUDA library: the interface that `gpu_cupy` and `gpu_pycuda` implement.

Runs inside the box; imports nothing of ours. Everything goes to the primary context's default stream, because that is where a
launcher compiled with a CUDA runtime of its own puts its kernels. Pointers are device addresses as integers, sizes are in bytes.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

# Dynamic shared memory that a kernel gets without opting in (CUDA C++ Programming Guide, compute capabilities 5.0 to 12.x).
SHARED_WITHOUT_OPT_IN = 48 * 1024

_CODES = {
    "f64": "d",
    "f32": "f",
    "i64": "q",
    "i32": "i",
    "i16": "h",
    "i8": "b",
    "u64": "Q",
    "u32": "I",
    "u16": "H",
    "u8": "B",
    "bool": "B",
}


@dataclass(frozen=True, slots=True)
class Param:
    """A value passed by copy: its `struct` code and the number. A device pointer has code "P"."""

    code: str
    value: int | float


def param(dtype: str, value: int | float) -> Param:
    """`value` as the short dtype name says; f16 and bf16 travel as their bits in an unsigned short."""
    if dtype == "f16":
        return Param("H", int.from_bytes(struct.pack("<e", value), "little"))
    if dtype == "bf16":
        bits = int.from_bytes(struct.pack("<f", value), "little")
        return Param("H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF)  # round to nearest, ties to even
    code = _CODES[dtype]
    if dtype == "bool":
        value = bool(value)
    return Param(code, float(value) if code in "df" else int(value))


Handle = Any  # a module or an event, as the library has it


class CudaFailure(Exception):
    """A CUDA call failed: the error's name and words, as the library gives them. Sticky ones end the process's use of the GPU."""


_PERSISTING_L2 = 6  # CU_LIMIT_PERSISTING_L2_CACHE_SIZE (cuda.h)


@functools.cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def reset_persisting_l2(synchronise: Callable[[], None]) -> None:
    """By the driver itself, as neither library wraps the calls. Needs a current context.

    Only where room for persisting lines was asked for: resetting takes some 150 µs, goes on behind our back, and without such room there
    are none (CUDA C++ Programming Guide, L2 set-aside for persisting accesses: it is zero until somebody sets it).
    """
    room = ctypes.c_size_t(0)
    if _driver().cuCtxGetLimit(ctypes.byref(room), _PERSISTING_L2) or not room.value:
        return
    _driver().cuCtxSetLimit(_PERSISTING_L2, ctypes.c_size_t(0))
    _driver().cuCtxResetPersistingL2Cache()
    synchronise()


@contextmanager
def profiled() -> Iterator[None]:
    """Let a profiler that waits for it look at what is launched inside, and at nothing of ours around it."""
    _driver().cuProfilerStart()
    try:
        yield
    finally:
        _driver().cuProfilerStop()


class Ready(Protocol):
    """A launch with its arguments packed: calling it costs the host next to nothing, and so does changing an argument."""

    def __call__(self) -> None: ...

    def put(self, index: int, value: int | float) -> None:
        """Another value for an argument, of the same type."""
        ...


class Gpu(Protocol):
    """One GPU in one process. Every method raises `CudaFailure`; copies and `fill` are ordered with launches."""

    l2_bytes: int
    on_device: bool  # there is a GPU behind it

    def facts(self) -> dict[str, str]:
        """Versions of driver, runtime and library, and the GPU's name."""
        ...

    def allocate(self, nbytes: int) -> int: ...

    def free(self, pointer: int) -> None: ...

    def upload(self, pointer: int, data: np.ndarray) -> None: ...

    def download(self, pointer: int, into: np.ndarray) -> None: ...

    def copy(self, to: int, source: int, nbytes: int) -> None: ...

    def fill(self, pointer: int, byte: int, nbytes: int) -> None: ...

    def load(self, image: bytes) -> Handle:
        """A module from a cubin."""
        ...

    def prepare(
        self, module: Handle, kernel: str, grid: Sequence[int], block: Sequence[int], shared: int, params: Sequence[Param]
    ) -> Ready:
        """A launch, to be made as often as wanted. `kernel` is the symbol."""
        ...

    def event(self) -> Handle: ...

    def record(self, event: Handle) -> None: ...

    def wait(self, event: Handle) -> None: ...

    def elapsed_us(self, begin: Handle, end: Handle) -> float: ...

    def reset_l2(self) -> None:
        """Take back every request to keep lines in L2: no persisting lines, and no room for any."""
        ...

    def synchronise(self) -> None:
        """Wait for all streams, and surface errors of kernels that ran."""
        ...

    def close(self) -> None:
        """Make ready for the process to end; nothing else may be called afterwards."""
        ...
