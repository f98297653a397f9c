"""The CUDA driver API through ctypes: as much of it as timing bare kernels of our own needs."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np

# CUfunction_attribute
MAX_THREADS, SHARED, CONSTANT, LOCAL, REGISTERS = 0, 1, 2, 3, 4
MAX_DYNAMIC_SHARED = 8
# CUdevice_attribute
_MULTIPROCESSORS, _L2_BYTES, _MAJOR, _MINOR, _THREADS_A_MULTIPROCESSOR = 16, 38, 75, 76, 39
WITHOUT_OPT_IN = 48 * 1024
STICKY = {700, 702, 709, 710, 714, 715, 716, 717, 718, 719}  # after these the context is lost


class CudaError(Exception):
    """A driver call failed."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(name)
        self.code = code

    @property
    def sticky(self) -> bool:
        """Whether nothing more can be done in this process."""
        return self.code in STICKY


class Gpu:
    """The first device's primary context; everything goes to its default stream."""

    def __init__(self, library: str = "libcuda.so.1") -> None:
        self._cuda = ctypes.CDLL(library)
        self._cuda.cuMemsetD32Async.argtypes = [c_uint64, c_uint, c_size_t, c_void_p]
        self._cuda.cuMemcpyHtoD_v2.argtypes = [c_uint64, c_void_p, c_size_t]
        self._cuda.cuMemcpyDtoH_v2.argtypes = [c_void_p, c_uint64, c_size_t]
        self._cuda.cuMemAlloc_v2.argtypes = [POINTER(c_uint64), c_size_t]
        self._cuda.cuModuleLoadData.argtypes = [POINTER(c_void_p), c_char_p]
        self._cuda.cuModuleUnload.argtypes = [c_void_p]
        self._cuda.cuModuleGetFunction.argtypes = [POINTER(c_void_p), c_void_p, c_char_p]
        self._cuda.cuFuncGetAttribute.argtypes = [POINTER(c_int), c_int, c_void_p]
        self._cuda.cuFuncSetAttribute.argtypes = [c_void_p, c_int, c_int]
        self._cuda.cuLaunchKernel.argtypes = [c_void_p, *([c_uint] * 7), c_void_p, c_void_p, c_void_p]
        self._cuda.cuEventCreate.argtypes = [POINTER(c_void_p), c_uint]
        self._cuda.cuEventRecord.argtypes = [c_void_p, c_void_p]
        self._cuda.cuEventElapsedTime.argtypes = [POINTER(c_float), c_void_p, c_void_p]
        self._cuda.cuOccupancyMaxActiveBlocksPerMultiprocessor.argtypes = [POINTER(c_int), c_void_p, c_int, c_size_t]
        self._cuda.cuCtxSetCurrent.argtypes = [c_void_p]
        self._do("cuInit", 0)
        self._device = c_int()
        self._do("cuDeviceGet", byref(self._device), 0)
        context = c_void_p()
        self._do("cuDevicePrimaryCtxRetain", byref(context), self._device)
        self._do("cuCtxSetCurrent", context)
        self.l2_bytes = self._attribute(_L2_BYTES)
        self.threads_a_multiprocessor = self._attribute(_THREADS_A_MULTIPROCESSOR)

    def _do(self, name: str, *args: object) -> None:
        if code := getattr(self._cuda, name)(*args):
            text = c_char_p()
            self._cuda.cuGetErrorName(code, byref(text))
            raise CudaError(code, (text.value or b"unknown").decode())

    def _attribute(self, which: int) -> int:
        value = c_int()
        self._do("cuDeviceGetAttribute", byref(value), which, self._device)
        return value.value

    def facts(self) -> dict[str, object]:
        """What a recording says of the GPU."""
        name, version = ctypes.create_string_buffer(256), c_int()
        self._do("cuDeviceGetName", name, 256, self._device)
        self._do("cuDriverGetVersion", byref(version))
        return {
            "gpu": name.value.decode(),
            "compute_capability": f"{self._attribute(_MAJOR)}{self._attribute(_MINOR)}",
            "cuda_driver": f"{version.value // 1000}.{version.value % 1000 // 10}",
            "multiprocessors": self._attribute(_MULTIPROCESSORS),
            "l2_bytes": self.l2_bytes,
        }

    def allocate(self, nbytes: int) -> int:
        """Device memory, for as long as the process lives."""
        pointer = c_uint64()
        self._do("cuMemAlloc_v2", byref(pointer), nbytes)
        return pointer.value

    def upload(self, data: np.ndarray) -> int:
        """`data` in new device memory."""
        data = np.ascontiguousarray(data)
        pointer = self.allocate(data.nbytes)
        self._do("cuMemcpyHtoD_v2", pointer, data.ctypes.data, data.nbytes)
        return pointer

    def read_word(self, pointer: int) -> int:
        """One unsigned number; waits for what was asked before."""
        value = c_uint()
        self._do("cuMemcpyDtoH_v2", ctypes.addressof(value), pointer, 4)
        return value.value

    def fill(self, pointer: int, word: int, words: int) -> None:
        """Sets `words` numbers to `word`, without waiting."""
        self._do("cuMemsetD32Async", pointer, word, words, None)

    def load(self, image: bytes) -> int:
        """A module."""
        module = c_void_p()
        self._do("cuModuleLoadData", byref(module), image)
        return module.value or 0

    def unload(self, module: int) -> None:
        """Gives a module back."""
        self._do("cuModuleUnload", module)

    def function(self, module: int, name: str) -> int:
        """A kernel of a module."""
        function = c_void_p()
        self._do("cuModuleGetFunction", byref(function), module, name.encode())
        return function.value or 0

    def attribute(self, function: int, which: int) -> int:
        """One of the attributes above."""
        value = c_int()
        self._do("cuFuncGetAttribute", byref(value), which, function)
        return value.value

    def allow_shared(self, function: int, nbytes: int) -> None:
        """Lets a kernel have more dynamic shared memory than it may without asking."""
        if nbytes > WITHOUT_OPT_IN:
            self._do("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, nbytes)

    def resident_blocks(self, function: int, threads: int, shared: int) -> int:
        """Blocks that a multiprocessor holds at a time."""
        value = c_int()
        self._do("cuOccupancyMaxActiveBlocksPerMultiprocessor", byref(value), function, threads, shared)
        return value.value

    def launch(self, function: int, grid: tuple[int, ...], block: tuple[int, ...], shared: int, arguments: ctypes.Array) -> None:
        """Asks for a launch; see `arguments`."""
        self._do("cuLaunchKernel", function, *grid, *block, shared, None, arguments, None)

    def event(self) -> int:
        """A new event."""
        event = c_void_p()
        self._do("cuEventCreate", byref(event), 0)
        return event.value or 0

    def record(self, event: int) -> None:
        """Marks this place in the stream."""
        self._do("cuEventRecord", event, None)

    def elapsed_ms(self, begin: int, end: int) -> float:
        """Between two events that were reached."""
        value = c_float()
        self._do("cuEventElapsedTime", byref(value), begin, end)
        return value.value

    def synchronise(self) -> None:
        """Waits for everything."""
        self._do("cuCtxSynchronize")


def arguments(*values: object) -> ctypes.Array:
    """The table of addresses that a launch takes, of ctypes values; it keeps them alive."""
    table = (c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
    table.kept = values
    return table
