"""The "GPU" that is this process's own memory and CPU: for programs that need no GPU, such as PyTorch ones on the CPU.

Times are those of the host's clock. A launcher is a plain C function here; kernels cannot be launched.
"""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Sequence

import numpy as np
from gpu_base import CudaFailure, Handle, Param, Ready

_now = time.perf_counter_ns  # bound before a candidate is loaded
_PAGE = 256  # alignment, as on a GPU


class HostGpu:
    """See `gpu_base.Gpu`."""

    on_device = False
    l2_bytes = 0

    def __init__(self) -> None:
        self._memory: dict[int, ctypes.Array[ctypes.c_char]] = {}

    def facts(self) -> dict[str, str]:
        return {"cpu": platform.processor() or platform.machine()}

    def allocate(self, nbytes: int) -> int:
        try:
            block = ctypes.create_string_buffer(nbytes + _PAGE)
        except MemoryError as error:
            raise CudaFailure(f"no memory for {nbytes} bytes") from error
        pointer = -(-ctypes.addressof(block) // _PAGE) * _PAGE
        self._memory[pointer] = block
        return pointer

    def free(self, pointer: int) -> None:
        del self._memory[pointer]

    def upload(self, pointer: int, data: np.ndarray) -> None:
        ctypes.memmove(pointer, np.ascontiguousarray(data).ctypes.data, data.nbytes)

    def download(self, pointer: int, into: np.ndarray) -> None:
        ctypes.memmove(into.ctypes.data, pointer, into.nbytes)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        ctypes.memmove(to, source, nbytes)

    def fill(self, pointer: int, byte: int, nbytes: int) -> None:
        ctypes.memset(pointer, byte, nbytes)

    def load(self, image: bytes) -> Handle:
        raise CudaFailure("there is no GPU to load a cubin on")

    def prepare(
        self, module: Handle, kernel: str, grid: Sequence[int], block: Sequence[int], shared: int, params: Sequence[Param]
    ) -> Ready:
        raise CudaFailure(f"there is no GPU to launch {kernel} on")

    def event(self) -> Handle:
        return [0]

    def record(self, event: Handle) -> None:
        event[0] = _now()

    def wait(self, event: Handle) -> None: ...

    def elapsed_us(self, begin: Handle, end: Handle) -> float:
        return max(end[0] - begin[0], 1) / 1e3

    def reset_l2(self) -> None: ...

    def synchronise(self) -> None: ...

    def close(self) -> None: ...
