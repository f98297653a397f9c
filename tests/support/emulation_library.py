"""Compiles the kernels of tests/emulated/kernels/ as sandbox/emulation/README.md says, and calls them through its C ABI."""

import ctypes
import functools
import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

EMULATION = Path(__file__).parents[2] / "sandbox" / "emulation"
KERNELS = Path(__file__).parents[1] / "emulated" / "kernels"
_COMMON = "-std=c++20 -O2 -g1 -fPIC"
_CANDIDATE = (
    "-fno-semantic-interposition -fno-gnu-unique -w -fno-strict-aliasing -fwrapv -fno-tree-vectorize -fno-store-merging "
    "-fno-optimize-sibling-calls -fno-math-errno -fpeel-loops "
    "-fsanitize=thread -fsanitize-coverage=trace-pc --param=tsan-instrument-func-entry-exit=0"
)


def gcc(arguments: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["g++", *arguments.split(), *map(str, paths)], capture_output=True, text=True, check=False, timeout=60)


_folder = tempfile.TemporaryDirectory(prefix="emulation-tests-")


@functools.cache
def build_runtime(flags: str = "") -> Path:
    """Takes seconds, so once a session."""
    target = Path(_folder.name) / f"runtime{flags}.o"
    sources = sorted((EMULATION / "runtime").glob("*.cpp"))
    result = gcc(
        f"{_COMMON} -fvisibility=hidden -Wall -Wextra -Werror {flags} -r -nostdlib -Wl,--force-group-allocation -o {target}", *sources
    )
    assert result.returncode == 0, result.stderr
    shown = ("ks_emu_*", "__tsan_*", "__sanitizer_*", "cuda*")
    subprocess.run(["objcopy", "-w", *(f"--keep-global-symbol={pattern}" for pattern in shown), str(target)], check=True)
    return target


def compile_candidate(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return gcc(f"-x c++ {_COMMON} {_CANDIDATE} -I{EMULATION / 'include'} -include ks_emulation.h -c -o {target}", source)


def build_library(name: str, runtime_flags: str = "") -> "Library":
    runtime = build_runtime(runtime_flags)
    compiled, linked = runtime.with_name(f"{name}.o"), runtime.with_name(f"{name}-{runtime.stem}.so")
    result = compile_candidate(KERNELS / f"{name}.cu", compiled)
    assert result.returncode == 0, result.stderr
    result = gcc(f"-shared -Wl,-Bsymbolic -o {linked}", compiled, runtime)
    assert result.returncode == 0, result.stderr
    return Library(linked)


class Library:
    """A loaded candidate. Arrays given to `launch` are copied to device memory and back; read-only ones are protected."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.c = ctypes.CDLL(str(path))
        self.c.ks_emu_configure.argtypes = (ctypes.c_uint64, ctypes.c_int, ctypes.c_int)
        self.c.ks_emu_alloc.argtypes = (ctypes.c_size_t, ctypes.c_int)
        self.c.ks_emu_alloc.restype = ctypes.c_void_p
        self.c.ks_emu_label.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
        self.c.ks_emu_protect.argtypes = (ctypes.c_void_p,)
        self.c.ks_emu_report.restype = ctypes.c_char_p
        self.c.ks_emu_leaked_bytes.restype = ctypes.c_size_t
        self.error: dict | None = None
        self.launches: list[dict] = []

    def configure(self, *, seed=0, instrument=False, sampled=8):
        self.c.ks_emu_free_all()
        self.c.ks_emu_configure(seed, int(instrument), sampled)

    def upload(self, array: np.ndarray, name: str = "") -> int:
        pointer = self.c.ks_emu_alloc(array.nbytes, 0)
        self.c.ks_emu_label(pointer, name.encode())
        ctypes.memmove(pointer, array.ctypes.data, array.nbytes)
        if not array.flags.writeable:
            assert self.c.ks_emu_protect(pointer) == 0
        return pointer

    def download(self, pointer: int, array: np.ndarray) -> None:
        if array.flags.writeable:
            ctypes.memmove(array.ctypes.data, pointer, array.nbytes)

    def read_report(self):
        report = json.loads(self.c.ks_emu_report())
        self.error, self.launches = report["error"], report["launches"]

    def launch(self, kernel, grid, block, *args, shared=0, seed=0, instrument=False, sampled=8):
        """Run once; returns the counters, {} without `instrument`. Arrays are named a0, a1, … in messages."""
        self.configure(seed=seed, instrument=instrument, sampled=sampled)
        pointers = [self.upload(a, f"a{i}") if isinstance(a, np.ndarray) else None for i, a in enumerate(args)]
        values = [_argument(a, p) for a, p in zip(args, pointers, strict=True)]
        packed = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        extents = [ctypes.c_uint(n) for n in (*_three(grid), *_three(block))]
        code = self.c[f"ks_emu_launch_{kernel}"](*extents, ctypes.c_size_t(shared), packed)
        self.read_report()
        assert (code != 0) == (self.error is not None)
        for pointer, array in zip(pointers, args, strict=True):
            if pointer:
                self.download(pointer, array)
        return self.launches[-1].get("counters", {}) if self.launches else {}

    def line_of(self, offset: int) -> int:
        """The innermost line of the kernel's own file."""
        told = subprocess.run(["addr2line", "-i", "-e", str(self.path), hex(offset)], capture_output=True, text=True, check=True)
        return int(re.search(r"\.cu:(\d+)", told.stdout)[1])


def _argument(value, pointer):
    if pointer:
        return ctypes.c_void_p(pointer)
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int(value)


def _three(extent):
    return (*extent, 1, 1)[:3] if isinstance(extent, tuple) else (extent, 1, 1)


def readonly(array: np.ndarray) -> np.ndarray:
    array = np.array(array)
    array.flags.writeable = False
    return array
