"""The program inside the GPU box, on a GPU made of a dictionary: guard bands, poison, restored contents, packed arguments, sampling."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kernelsearch import paths

RUNNER = paths.data("sandbox") / "runner"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RUNNER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runner() -> Iterator[ModuleType]:
    """The runner's modules import each other by bare names, as they do in the box."""
    names = ("gpu_base", "gpu_elf", "gpu_call", "gpu")
    before = {name: sys.modules.get(name) for name in names}
    modules = [load(name) for name in names]
    modules[-1].FLUSH_BYTES = 0  # the pretended memory is small
    yield modules[-1]
    for name in names:
        if before[name] is None:
            sys.modules.pop(name)
        else:
            sys.modules[name] = before[name]


class PretendGpu:
    """Memory is one array; a kernel is a Python function on it, named in the `kernels` given; events tell a made-up time."""

    l2_bytes = 4096

    def __init__(self, **kernels) -> None:
        self.memory = np.zeros(1 << 20, np.uint8)
        self.next = 256
        self.kernels = kernels
        self.freed: list[int] = []
        self.clock_us = 0.0
        self.launched = 0

    def allocate(self, nbytes: int) -> int:
        pointer, self.next = self.next, self.next + nbytes
        return pointer

    def free(self, pointer: int) -> None:
        self.freed.append(pointer)

    def upload(self, pointer: int, data: np.ndarray) -> None:
        self.memory[pointer : pointer + data.nbytes] = data

    def download(self, pointer: int, into: np.ndarray) -> None:
        into[:] = self.memory[pointer : pointer + into.nbytes]

    def copy(self, to: int, source: int, nbytes: int) -> None:
        self.memory[to : to + nbytes] = self.memory[source : source + nbytes]

    def fill(self, pointer: int, byte: int, nbytes: int) -> None:
        self.memory[pointer : pointer + nbytes] = byte

    def load(self, image: bytes) -> object:
        return image

    def prepare(self, module, kernel, grid, block, shared, params):
        def launch() -> None:
            self.launched += 1
            self.clock_us += 7.0
            self.kernels[kernel](self.memory, *(item.value for item in params))

        return launch

    def event(self) -> list[float]:
        return [0.0]

    def record(self, event: list[float]) -> None:
        event[0] = self.clock_us

    def wait(self, event: list[float]) -> None: ...

    def elapsed_us(self, begin: list[float], end: list[float]) -> float:
        return end[0] - begin[0]

    def synchronise(self) -> None: ...


TIMING = {"warmup_ms": 0, "min_samples": 20, "max_samples": 50, "max_seconds": 100.0, "flush_l2": True}


def serve(
    runner: ModuleType, folder: Path, gpu: PretendGpu, *, written: bool = True, contents: bool = False, mode: str = "verify", **changes
):
    """One call of kernel `work(x, y, t, n)` on 5 elements of int32 x and y with a scratch buffer; y has `contents` or not."""
    inputs, outputs = folder / "in", folder / "out"
    inputs.mkdir()
    outputs.mkdir()
    (inputs / "x").write_bytes(np.arange(5, dtype=np.int32).tobytes())
    (inputs / "y").write_bytes(np.full(5, 100, np.int32).tobytes())
    (inputs / "artifact").write_bytes(b"\0.text._Z4workPiS_S_i\0.text.other\0")
    (outputs / "y").write_bytes(bytes(20))
    args = [
        {"name": "x", "nbytes": 20, "input": "x", "output": None},
        {"name": "y", "nbytes": 20, "input": "y" if contents else None, "output": "y" if written else None},
        {"dtype": "i32", "value": 5},
    ]
    launch = {
        "kernel": "work",
        "grid": [1, 1, 1],
        "block": [5, 1, 1],
        "shared": 0,
        "args": [{"arg": 0}, {"arg": 1}, {"scratch": 0}, {"arg": 2}],
    }
    calls = [{"label": "c", "args": args, "scratch": [8], "launches": [launch | changes]}]
    report = runner._serve(gpu, {"mode": mode, "entry": None, "timing": TIMING, "calls": calls}, inputs, outputs)
    return report, np.fromfile(outputs / "y", np.int32)


def ints(memory: np.ndarray, pointer: int, count: int = 5) -> np.ndarray:
    return memory[pointer : pointer + 4 * count].view(np.int32)


def test_outputs_are_written_and_memory_is_given_back(runner: ModuleType, tmp_path: Path) -> None:
    def work(memory, x, y, t, n):
        ints(memory, y, n)[:] = ints(memory, x, n) + 1

    gpu = PretendGpu(_Z4workPiS_S_i=work)
    report, y = serve(runner, tmp_path, gpu)
    assert report == {"failure": None, "detail": "", "calls": [{"label": "c", "samples_us": []}], "notes": {}}
    assert y.tolist() == [1, 2, 3, 4, 5]
    assert len(gpu.freed) == 3


def test_outputs_and_scratch_are_poison_before_the_launch(runner: ModuleType, tmp_path: Path) -> None:
    seen = []

    def work(memory, x, y, t, n):
        seen.append((ints(memory, y).tolist(), ints(memory, t, 2).tolist()))

    _, y = serve(runner, tmp_path, PretendGpu(_Z4workPiS_S_i=work))
    assert seen == [([-1] * 5, [-1, -1])]
    assert y.tolist() == [-1] * 5


@pytest.mark.parametrize(
    ("buffer", "index", "words"),
    [
        ("y", 5, "past the end of y"),
        ("y", -1, "before the start of y"),
        ("x", 5, "past the end of x"),
        ("t", 2, "past the end of a scratch"),
    ],
)
def test_a_write_beside_a_buffer_is_cheating(runner: ModuleType, tmp_path: Path, buffer: str, index: int, words: str) -> None:
    def work(memory, x, y, t, n):
        ints(memory, {"x": x, "y": y, "t": t}[buffer] + 4 * index, 1)[0] ^= 1

    report, _ = serve(runner, tmp_path, PretendGpu(_Z4workPiS_S_i=work))
    assert report["failure"] == "cheated"
    assert words in report["detail"]


def test_a_changed_input_is_cheating_whichever_tensor_it_is(runner: ModuleType, tmp_path: Path) -> None:
    def work(memory, x, y, t, n):
        ints(memory, y)[3] = 0

    report, _ = serve(runner, tmp_path, PretendGpu(_Z4workPiS_S_i=work), contents=True, written=False)
    assert (report["failure"], report["detail"]) == ("cheated", "c: changed its input y")


def test_every_timed_launch_starts_from_the_same_contents(runner: ModuleType, tmp_path: Path) -> None:
    def work(memory, x, y, t, n):
        ints(memory, y)[:] += ints(memory, x)

    gpu = PretendGpu(_Z4workPiS_S_i=work)
    report, y = serve(runner, tmp_path, gpu, contents=True, mode="time")
    assert y.tolist() == [100, 101, 102, 103, 104]
    assert report["calls"][0]["samples_us"] == [7.0] * 20  # no spread, so the smallest number suffices
    assert gpu.launched == 21
    assert report["notes"] == {"empty event pair µs": "0.00"}


def test_samples_that_vary_are_taken_up_to_the_most(runner: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def work(memory, x, y, t, n):
        gpu.clock_us += float(rng.integers(0, 9))

    gpu = PretendGpu(_Z4workPiS_S_i=work)
    report, _ = serve(runner, tmp_path, gpu, mode="time")
    assert len(report["calls"][0]["samples_us"]) == 50


def test_time_runs_out_before_the_fewest_samples(runner: ModuleType) -> None:
    timing = TIMING | {"max_seconds": 1.0}
    assert not runner._enough([5.0, 5.0], timing, seconds=9.0)
    assert runner._enough([5.0, 5.0, 5.0], timing, seconds=9.0)


def test_a_cuda_error_is_a_crash_with_its_name(runner: ModuleType, tmp_path: Path) -> None:
    failure = sys.modules["gpu_base"].CudaFailure

    def work(memory, x, y, t, n):
        raise failure("cudaErrorIllegalAddress: an illegal memory access was encountered")

    report, _ = serve(runner, tmp_path, PretendGpu(_Z4workPiS_S_i=work))
    assert report["failure"] == "crashed"
    assert report["detail"].startswith("c: cudaErrorIllegalAddress")


@pytest.mark.parametrize("kernel", ["wor", "ork", "4work", "absent"])
def test_a_kernel_is_found_by_its_own_name_alone(runner: ModuleType, tmp_path: Path, kernel: str) -> None:
    report, _ = serve(runner, tmp_path, PretendGpu(), kernel=kernel)
    assert report["failure"] == "crashed"
    assert f"{kernel!r} is missing" in report["detail"]


def test_a_shared_object_that_does_not_load_is_a_crash(runner: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "artifact").write_bytes(b"not an ELF file")
    job = {"mode": "verify", "entry": "solve", "timing": TIMING, "calls": []}
    assert runner._serve(PretendGpu(), job, tmp_path, tmp_path)["failure"] == "crashed"


@pytest.mark.parametrize(
    ("dtype", "value", "code", "packed"),
    [
        ("f16", 0.375, "H", 0x3600),
        ("bf16", 1.0, "H", 0x3F80),
        ("bf16", 1.00390625, "H", 0x3F80),  # half way: to the even one
        ("bf16", 1.01171875, "H", 0x3F82),
        ("bf16", -3.0, "H", 0xC040),
        ("bool", 7, "B", 1),
        ("i64", -5, "q", -5),
        ("f32", 2, "f", 2.0),
    ],
)
def test_scalars_are_packed_by_their_type(runner: ModuleType, dtype: str, value: float, code: str, packed: float) -> None:
    item = sys.modules["gpu_base"].param(dtype, value)
    assert (item.code, item.value) == (code, packed)


def test_a_function_that_a_library_hides_is_found_beside_one_that_it_exports(runner: ModuleType, tmp_path: Path) -> None:
    source, library = tmp_path / "k.c", tmp_path / "k.so"
    source.write_text('__attribute__((visibility("hidden"))) int hidden(void) { return 41; }\nint solve(void) { return hidden() + 1; }')
    subprocess.run(["gcc", "-shared", "-fPIC", "-O0", "-o", str(library), str(source)], check=True)
    elf = sys.modules["gpu_elf"]
    solve = elf.address_of(ctypes.CDLL(str(library)), "solve")
    found = elf.addresses(library, ("hidden", "absent"), "solve", solve)
    assert found.keys() == {"hidden"}
    assert ctypes.CFUNCTYPE(ctypes.c_int)(found["hidden"])() == 41
    stripped = tmp_path / "stripped.so"  # not in place: the library is mapped into this process
    subprocess.run(["strip", "-o", str(stripped), str(library)], check=True)
    assert elf.addresses(stripped, ("hidden",), "solve", solve) == {}
