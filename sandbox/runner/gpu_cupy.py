"""The GPU through cupy's bindings of the CUDA runtime and driver; none of its arrays, memory pool or compiler."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cupy
import numpy as np
from cupy.cuda import driver, runtime
from gpu_base import SHARED_WITHOUT_OPT_IN, CudaFailure, Handle, Param, Ready, reset_persisting_l2

_STREAM = 0  # the legacy default stream


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except (driver.CUDADriverError, runtime.CUDARuntimeError) as error:
        raise CudaFailure(str(error)) from error


class CupyGpu:
    """See `gpu_base.Gpu`."""

    on_device = True

    def __init__(self) -> None:
        with _named():
            runtime.setDevice(0)
            runtime.free(0)  # makes the primary context
            self._properties = runtime.getDeviceProperties(0)
        self.l2_bytes = int(self._properties["l2CacheSize"])

    def facts(self) -> dict[str, str]:
        with _named():
            return {
                "gpu": self._properties["name"].decode(),
                "cuda driver": _version(runtime.driverGetVersion()),
                "cuda runtime": _version(runtime.runtimeGetVersion()),
                "cupy": cupy.__version__,
            }

    def allocate(self, nbytes: int) -> int:
        with _named():
            return int(runtime.malloc(nbytes))

    def free(self, pointer: int) -> None:
        with _named():
            runtime.free(pointer)

    def upload(self, pointer: int, data: np.ndarray) -> None:
        with _named():
            runtime.memcpy(pointer, data.ctypes.data, data.nbytes, runtime.memcpyHostToDevice)

    def download(self, pointer: int, into: np.ndarray) -> None:
        with _named():
            runtime.memcpy(into.ctypes.data, pointer, into.nbytes, runtime.memcpyDeviceToHost)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        with _named():
            runtime.memcpyAsync(to, source, nbytes, runtime.memcpyDeviceToDevice, _STREAM)

    def fill(self, pointer: int, byte: int, nbytes: int) -> None:
        with _named():
            runtime.memsetAsync(pointer, byte, nbytes, _STREAM)

    def load(self, image: bytes) -> Handle:
        with _named():
            return driver.moduleLoadData(image)

    def prepare(
        self, module: Handle, kernel: str, grid: Sequence[int], block: Sequence[int], shared: int, params: Sequence[Param]
    ) -> Ready:
        with _named():
            function = driver.moduleGetFunction(module, kernel)
            if shared > SHARED_WITHOUT_OPT_IN:
                driver.funcSetAttribute(function, driver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared)
        return _Launch(function, (*grid, *block), shared, params)

    def event(self) -> Handle:
        with _named():
            return runtime.eventCreate()

    def record(self, event: Handle) -> None:
        with _named():
            runtime.eventRecord(event, _STREAM)

    def wait(self, event: Handle) -> None:
        with _named():
            runtime.eventSynchronize(event)

    def elapsed_us(self, begin: Handle, end: Handle) -> float:
        with _named():
            return float(runtime.eventElapsedTime(begin, end)) * 1e3

    def reset_l2(self) -> None:
        reset_persisting_l2(self.synchronise)

    def synchronise(self) -> None:
        with _named():
            runtime.deviceSynchronize()

    def close(self) -> None: ...


class _Launch:
    """See `gpu_base.Ready`."""

    def __init__(self, function: int, geometry: Sequence[int], shared: int, params: Sequence[Param]) -> None:
        self._call = (function, *geometry, shared, _STREAM)
        self._params, self._count = params, len(params)
        # One block holds the table of addresses and, behind it, the values that it points to.
        self._table = (ctypes.c_uint64 * max(1, 2 * self._count))()
        self._at = ctypes.addressof(self._table)
        for index, item in enumerate(params):
            self._table[index] = self._at + 8 * (self._count + index)
            self._table[self._count + index] = _slot(item)

    def __call__(self) -> None:
        try:
            driver.launchKernel(*self._call, self._at, 0)
        except driver.CUDADriverError as error:
            raise CudaFailure(str(error)) from error

    def put(self, index: int, value: int | float) -> None:
        self._table[self._count + index] = _slot(Param(self._params[index].code, value))


def _slot(item: Param) -> int:
    # The driver reads as many bytes as the kernel's parameter has: a sign-extended integer serves an int as well as a long long.
    if isinstance(item.value, int):
        return item.value & 0xFFFF_FFFF_FFFF_FFFF
    return int.from_bytes(struct.pack("<" + item.code, item.value), "little")


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
