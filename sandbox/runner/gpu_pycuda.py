"""The GPU through pycuda's binding of the CUDA driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pycuda
import pycuda.driver as driver
from gpu_base import SHARED_WITHOUT_OPT_IN, CudaFailure, Handle, Param, Ready, reset_persisting_l2


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except driver.Error as error:
        raise CudaFailure(str(error)) from error


class PycudaGpu:
    """See `gpu_base.Gpu`. Keeps the primary context, which a launcher's own CUDA runtime uses too, current for good."""

    on_device = True

    def __init__(self) -> None:
        with _named():
            driver.init()
            self._device = driver.Device(0)
            self._context = self._device.retain_primary_context()
            self._context.push()
            self.l2_bytes = int(self._device.get_attribute(driver.device_attribute.L2_CACHE_SIZE))
        self._allocations: dict[int, driver.DeviceAllocation] = {}

    def facts(self) -> dict[str, str]:
        with _named():
            number = driver.get_driver_version()
            return {
                "gpu": self._device.name(),
                "cuda driver": f"{number // 1000}.{number % 1000 // 10}",
                "cuda headers": ".".join(str(part) for part in driver.get_version()),
                "pycuda": pycuda.VERSION_TEXT,
            }

    def allocate(self, nbytes: int) -> int:
        with _named():
            allocation = driver.mem_alloc(nbytes)
        self._allocations[int(allocation)] = allocation
        return int(allocation)

    def free(self, pointer: int) -> None:
        with _named():
            self._allocations.pop(pointer).free()

    def upload(self, pointer: int, data: np.ndarray) -> None:
        with _named():
            driver.memcpy_htod(pointer, data)

    def download(self, pointer: int, into: np.ndarray) -> None:
        with _named():
            driver.memcpy_dtoh(into, pointer)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        with _named():
            driver.memcpy_dtod_async(to, source, nbytes)

    def fill(self, pointer: int, byte: int, nbytes: int) -> None:
        with _named():
            driver.memset_d8_async(pointer, byte, nbytes)

    def load(self, image: bytes) -> Handle:
        with _named():
            return driver.module_from_buffer(image)

    def prepare(
        self, module: Handle, kernel: str, grid: Sequence[int], block: Sequence[int], shared: int, params: Sequence[Param]
    ) -> Ready:
        with _named():
            function = module.get_function(kernel)
            if shared > SHARED_WITHOUT_OPT_IN:
                function.set_attribute(driver.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, shared)
            function.prepare([item.code for item in params])
        return _Launch(function, tuple(grid), tuple(block), shared, [item.value for item in params])

    def event(self) -> Handle:
        with _named():
            return driver.Event()

    def record(self, event: Handle) -> None:
        with _named():
            event.record()

    def wait(self, event: Handle) -> None:
        with _named():
            event.synchronize()

    def elapsed_us(self, begin: Handle, end: Handle) -> float:
        with _named():
            return float(begin.time_till(end)) * 1e3

    def reset_l2(self) -> None:
        reset_persisting_l2(self.synchronise)

    def synchronise(self) -> None:
        with _named():
            driver.Context.synchronize()

    def close(self) -> None:
        with _named():
            driver.Context.pop()  # pycuda aborts the process when a context is still current at its end


class _Launch:
    """See `gpu_base.Ready`."""

    def __init__(self, function: Handle, grid: tuple[int, ...], block: tuple[int, ...], shared: int, values: list[int | float]) -> None:
        self._function, self._grid, self._block, self._shared, self._values = function, grid, block, shared, values

    def __call__(self) -> None:
        with _named():
            self._function.prepared_call(self._grid, self._block, *self._values, shared_size=self._shared)

    def put(self, index: int, value: int | float) -> None:
        self._values[index] = value
