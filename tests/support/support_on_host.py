"""sandbox/runner/support.cu as it is, built by the host's compiler: its kernels run on this process's memory, one thread a block.

What CUDA has and C++ has not is defined away in front of the file; the one line of PTX becomes a conversion in C++.
"""

import ctypes
import subprocess
from pathlib import Path

from runner_modules import RUNNER

_INSTRUCTION = 'asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));'
_CONVERSION = "bits = rounded_to_half(value);"
_CUDA = """
#include <math.h>
#include <string.h>
#define __device__ static
#define __global__
#define __shared__
#define __forceinline__ inline
struct Index { unsigned x, y, z; };
static Index blockIdx, threadIdx, gridDim, blockDim;
unsigned ks_words[12288];
template <class To, class From> static To as(From from) { To to; memcpy(&to, &from, sizeof to); return to; }
static float __fadd_rn(float a, float b) { return a + b; }
static float __fmul_rn(float a, float b) { return a * b; }
static double __dmul_rn(double a, double b) { return a * b; }
static float __int_as_float(int v) { return as<float>(v); }
static unsigned __float_as_uint(float v) { return as<unsigned>(v); }
static long long __double_as_longlong(double v) { return as<long long>(v); }
static unsigned long long __shfl_down_sync(unsigned, unsigned long long, int) { return 0; }  // the other lanes have found nothing
static void atomicAdd(unsigned long long* to, unsigned long long value) { *to += value; }
static unsigned short rounded_to_half(float value) {
    unsigned size = as<unsigned>(value) & 0x7FFFFFFF;
    const unsigned short sign = as<unsigned>(value) >> 16 & 0x8000;
    if (size >= 0x477FF000) return sign | (size > 0x7F800000 ? 0x7E00 : 0x7C00);
    if (size < 0x38800000) return sign | (as<unsigned>(as<float>(size) + 0.5f) - as<unsigned>(0.5f));  // half's subnormal steps are 0.5f's
    size -= 112 << 23;  // between the two biases
    return sign | ((size + 0xFFF + (size >> 13 & 1)) >> 13);
}
extern "C" void at(unsigned x, unsigned y, unsigned columns) {
    blockIdx = {x, y, 0};
    gridDim = {columns, 1, 1};
    blockDim = {1, 1, 1};
}
"""
_C_TYPES = {"P": ctypes.c_uint64, "Q": ctypes.c_uint64, "i": ctypes.c_int, "I": ctypes.c_uint}
_COLUMNS = 3  # blocks a region: more than one, so that they must share the work


def build(folder: Path) -> Path:
    text = (RUNNER / "support.cu").read_text()
    assert text.count(_INSTRUCTION) == 1
    source, library = folder / "support.cpp", folder / "support.so"
    source.write_text(_CUDA + text.replace(_INSTRUCTION, _CONVERSION))
    command = ["g++", "-O2", "-w", "-shared", "-fPIC", "-ffp-contract=off", "-o", str(library), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


class Launch:
    """See `gpu_base.Ready`."""

    def __init__(self, module, kernel, rows: int, values: list) -> None:
        self._module, self._kernel, self._rows, self._values = module, kernel, rows, values

    def __call__(self) -> None:
        for y in range(self._rows):
            for x in range(_COLUMNS):
                self._module.at(x, y, _COLUMNS)
                self._kernel(*self._values)

    def put(self, index: int, value: int) -> None:
        self._values[index] = type(self._values[index])(value)


def gpu_with_kernels(host_gpu: type) -> type:
    """`gpu_host.HostGpu` that launches kernels of a library that `build` made."""

    class WithKernels(host_gpu):
        on_device = True

        def prepare(self, module, kernel, grid, block, shared, params):
            return Launch(module, getattr(module, kernel), grid[1], [_C_TYPES[item.code](item.value) for item in params])

    return WithKernels
