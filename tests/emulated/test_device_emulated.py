"""The emulated device from source to verdict: builds with g++, runs in the box, and what becomes of kernels that are wrong."""

from __future__ import annotations

import dataclasses
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kernelsearch import paths
from kernelsearch.device.base import Call, Job, JobResult, Mode, Scalar, Tensor
from kernelsearch.device.emulated import EmulatedDevice
from kernelsearch.model import Arg, ArgKind, Build, Candidate, Case, DType, Expression, Form, Hardware, Origin, Task, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.sandbox.base import Box, BoxResult
from kernelsearch.toolchain.emulated import EmulatedToolchain
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.nvcc import NvccToolchain

SCALE = """
__global__ void scale(const float* x, float* y, int n, float a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    %s
}
extern "C" void solve(const float* x, float* y, int n, float a) {
    scale<<<(n + 255) / 256, 256>>>(x, y, n, a);
}
"""
RIGHT = SCALE % "if (i < n) y[i] = a * x[i];"

# Each thread reads what its neighbour put into shared memory.
SHIFT = """
__global__ void shift(const float* x, float* y, int n, float a) {
    __shared__ float tile[256];
    int t = threadIdx.x, i = blockIdx.x * 256 + t;
    tile[t] = i < n ? x[i] : 0.0f;
    %s
    if (i < n) y[i] = a * tile[(t + 1) %% 256];
}
extern "C" void solve(const float* x, float* y, int n, float a) { shift<<<(n + 255) / 256, 256>>>(x, y, n, a); }
"""

VARIANTS = Path(__file__).parents[2] / "benchmarks" / "variants" / "transpose"
TRANSPOSES = {name: VARIANTS / f"{name}.cu" for name in ("01_naive_read", "06_tile_padded")}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> EmulatedDevice:
    hardware = Hardware(**tomllib.loads((paths.data("profiles") / "hardware" / "h100.toml").read_text()))
    return EmulatedDevice(sandbox=open_sandbox(unsafe=True), scratch=tmp_path_factory.mktemp("jobs"), hardware=hardware)


@pytest.fixture(scope="module")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> EmulatedToolchain:
    return EmulatedToolchain(sandbox=open_sandbox(unsafe=True), cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)


def task(source: str, form: Form = Form.LAUNCHER) -> Task:
    return Task(
        name="scale",
        form=form,
        entry="solve" if form is Form.LAUNCHER else None,
        args=(
            Arg(name="x", kind=ArgKind.INPUT, dtype=DType.F32, shape=(Expression("n"),)),
            Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(Expression("n"),)),
            Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
            Arg(name="a", kind=ArgKind.SCALAR, dtype=DType.F32, value=2.0),
        ),
        cases=(Case(name="one", sizes={"n": 1000}, timed=True),),
        baseline=source,
    )


def build(toolchain: EmulatedToolchain, source: str, form: Form = Form.LAUNCHER, flags: tuple[str, ...] = ("-O3",)) -> Build:
    origin = Origin(proposer="test")
    return toolchain.build(Candidate(task="t", source=source, flags=flags, origin=origin), task(source, form))


def call(folder: Path, n: int = 1000, label: str = "one/normal/0") -> Call:
    file = folder / f"x{n}.bin"
    np.random.default_rng(n).standard_normal(n).astype(np.float32).tofile(file)
    return Call(
        label=label,
        args=(
            Tensor(name="x", dtype=DType.F32, count=n, file=file),
            Tensor(name="y", dtype=DType.F32, count=n, written=True),
            Scalar(name="n", dtype=DType.I32, value=n),
            Scalar(name="a", dtype=DType.F32, value=2.0),
        ),
        values={"n": n, "a": 2.0},
    )


def job(built: Build, *calls: Call, mode: Mode = Mode.VERIFY, timeout_s: float = 60.0) -> Job:
    assert built.ok, built.log
    entry = None if built.plan else "solve"
    return Job(build=built, entry=entry, plan=built.plan, calls=calls, mode=mode, timeout_s=timeout_s)


@pytest.fixture
def verify(device: EmulatedDevice, toolchain: EmulatedToolchain, tmp_path: Path) -> Callable[..., JobResult]:
    def run(source: str, n: int = 1000, timeout_s: float = 60.0) -> JobResult:
        return device.run(job(build(toolchain, source), call(tmp_path, n), timeout_s=timeout_s))

    return run


def output(result: JobResult, index: int = 0) -> np.ndarray:
    return np.frombuffer(result.calls[index].outputs["y"], dtype=np.float32)


def test_a_right_kernel_returns_its_outputs_for_every_call(device, toolchain, tmp_path):
    calls = [call(tmp_path, 1000, "first"), call(tmp_path, 77, "second")]
    result = device.run(job(build(toolchain, RIGHT), *calls))
    assert (result.failure, result.detail) == (None, "")
    assert [c.label for c in result.calls] == ["first", "second"]
    for index, planned in enumerate(calls):
        np.testing.assert_array_equal(output(result, index), 2 * np.fromfile(planned.args[0].file, dtype=np.float32))


def test_a_wrong_kernel_returns_its_wrong_outputs_for_others_to_judge(verify):
    result = verify(SCALE % "if (i < n - 1) y[i] = a * x[i] + 1;")
    assert result.failure is None
    assert np.isnan(output(result)[-1])
    assert not np.isnan(output(result)[:-1]).any()


PAST_THE_END = {
    "store": "y[i] = a * x[i];",
    "load": "if (i < n) y[i] = a * x[i + 1];",
    "vector": "float4 v = ((const float4*)x)[i / 2]; y[i % n] = a * v.x;",
    "intrinsic": "y[i % n] = a * __ldg(x + i);",
    "atomic": "atomicAdd(y + i, a);",
}


@pytest.mark.parametrize("body", PAST_THE_END.values(), ids=PAST_THE_END)
def test_an_access_past_the_end_crashes_and_is_located(verify, body):
    result = verify(SCALE % body)
    assert result.failure is Verdict.CRASHED
    assert "past the end of" in result.detail
    assert "(line 4)" in result.detail


def test_a_missing_barrier_makes_outputs_depend_on_the_thread_order(verify):
    result = verify(SHIFT % "")
    assert result.failure is Verdict.NONDETERMINISTIC
    assert "y[" in result.detail
    assert verify(SHIFT % "__syncthreads();").failure is None


def test_floating_point_atomics_in_another_order_are_no_race(verify):
    # 1000 threads add to one element: the sum differs in its last bits between orders.
    body = "if (i == 0) for (int j = 1; j < n; ++j) y[j] = 0; if (i < n) atomicAdd(&y[0], x[i] * 1.1f);"
    start = "__global__ void zero(float* y) { y[0] = 0; }\n" + SCALE.replace("    scale<<<", "    zero<<<1, 1>>>(y); scale<<<")
    assert verify(start % body).failure is None


def test_writing_an_input_is_cheating(verify):
    result = verify(SCALE % "if (i < n) { y[i] = a * x[i]; const_cast<float*>(x)[i] = 0; }")
    assert result.failure is Verdict.CHEATED
    assert "x" in result.detail


def test_integers_wrap_around_as_they_do_on_the_hardware(verify):
    result = verify(SCALE % "int big = i % 100 + 2147483500; if (i < n) y[i] = big + 1000 > big ? 1.0f : -1.0f;", n=700)
    np.testing.assert_array_equal(output(result), np.full(700, -1.0))


def test_a_trap_crashes(verify):
    assert verify(SCALE % "if (i < n) y[i] = x[i]; if (i == 7) __trap();").failure is Verdict.CRASHED


def test_a_barrier_that_not_all_threads_reach_crashes(verify):
    assert verify(SCALE % "if (threadIdx.x < 100) __syncthreads(); if (i < n) y[i] = a * x[i];").failure is Verdict.CRASHED


def test_a_launch_beyond_the_limits_crashes(verify):
    assert verify(RIGHT.replace("256>>>", "2048>>>")).failure is Verdict.CRASHED


def test_host_code_that_dies_is_a_crash(verify):
    result = verify(RIGHT.replace("float a) {\n    scale", "float a) {\n    *(volatile int*)8 = 1; scale"))
    assert result.failure is Verdict.CRASHED
    assert "SIGSEGV" in result.detail


def test_an_endless_loop_times_out_and_names_the_call(verify):
    result = verify(SCALE % "volatile int stay = 1; while (stay) {} if (i < n) y[i] = x[i];", timeout_s=3.0)
    assert result.failure is Verdict.TIMED_OUT
    assert "one/normal/0" in result.detail


def test_an_output_that_forges_the_report_is_not_believed(verify):
    forge = "#include <stdio.h>\n#include <stdlib.h>\n" + RIGHT.replace("    scale<<<", "    exit(0); scale<<<")
    assert verify(forge).failure is Verdict.CRASHED


@pytest.mark.parametrize(
    ("source", "line", "construct"),
    [
        (SCALE % 'asm volatile("nop;"); y[i] = 0;', 4, "inline assembly"),
        ("#include <mma.h>\n" + RIGHT, 1, "mma.h"),
        ("// asm( in a comment is fine\n#include <cuda/pipeline>\n" + RIGHT, 2, "pipeline"),
        (SCALE % "y[i] = __no_such_intrinsic(x[i]);", 4, "__no_such_intrinsic"),
    ],
)
def test_what_cannot_be_emulated_is_unsupported_with_its_line(toolchain, source, line, construct):
    built = build(toolchain, source)
    assert (built.ok, built.failure) == (False, Verdict.UNSUPPORTED)
    assert f"line {line}:" in built.log
    assert construct in built.log.splitlines()[0]


def test_a_mistake_is_a_failed_build_in_the_compilers_words(toolchain):
    built = build(toolchain, SCALE % "y[i] = undefined_name;")
    assert built.failure is Verdict.BUILD_FAILED
    assert "candidate.cu:4" in built.log
    assert "undefined_name" in built.log


def test_the_same_source_is_built_once_and_flags_that_gcc_lacks_do_not_matter(toolchain):
    source = SCALE % "if (i < n) y[i] = FACTOR * x[i];"
    first, again = (build(toolchain, source, flags=("-O3", "-DFACTOR=3", "--use_fast_math")) for _ in range(2))
    assert first.ok, first.log
    assert again.cached
    assert again.artifact == first.artifact


@pytest.fixture(scope="module")
def with_nvcc(tmp_path_factory: pytest.TempPathFactory) -> EmulatedToolchain:
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc on this machine")
    sandbox, cache = open_sandbox(unsafe=True), tmp_path_factory.getbasetemp() / "emulated"
    compiler = NvccToolchain(sandbox=sandbox, cache=cache, nvcc=nvcc, arch="sm_90", witness=True)
    return EmulatedToolchain(sandbox=sandbox, cache=cache, nvcc=compiler)


def test_with_nvcc_its_errors_count_and_its_report_is_the_evidence(with_nvcc):
    right = build(with_nvcc, RIGHT)
    assert right.ok, right.log
    (resources,) = right.resources
    assert resources.registers > 0
    assert build(with_nvcc, SCALE % "y[i] = undefined_name;").failure is Verdict.BUILD_FAILED
    host_call = "int host() { return 1; }\n" + SCALE % "if (i < n) y[i] = host();"  # to g++ all functions are alike
    assert build(with_nvcc, host_call).failure is Verdict.BUILD_FAILED
    wmma = build(with_nvcc, "#include <mma.h>\n" + RIGHT)
    assert wmma.failure is Verdict.UNSUPPORTED
    assert wmma.log.startswith("line 1:")


class Meeting:
    """Stands for nvcc and for the box of g++: neither goes on before the other has begun."""

    name = "nvcc that waits"

    def __init__(self) -> None:
        self.sandbox = open_sandbox(unsafe=True)
        self.begun = {"nvcc": threading.Event(), "g++": threading.Event()}

    def build(self, candidate: Candidate, task: Task) -> Build:
        self.begun["nvcc"].set()
        assert self.begun["g++"].wait(60)
        return Build(ok=True, toolchain=self.name, artifact="none", sass_digest="of nvcc", seconds=1000.0)

    def run(self, box: Box) -> BoxResult:
        self.begun["g++"].set()
        assert self.begun["nvcc"].wait(60)
        return self.sandbox.run(box)


def test_both_compilers_work_at_the_same_time(tmp_path_factory):
    meeting = Meeting()
    cache = tmp_path_factory.getbasetemp() / "emulated"  # for the runtime
    built = build(EmulatedToolchain(sandbox=meeting, cache=cache, nvcc=meeting), f"{RIGHT}// built nowhere else\n")
    assert built.ok, built.log
    assert (built.sass_digest, built.seconds) == ("of nvcc", 1000.0)  # the longer of the two


KERNELS = """// launch: fill grid=(cdiv(n, 64)) block=(64) args=(x, tmp, n)
// launch: finish grid=(cdiv(n, 64)) block=(64) shared=4*64 args=(tmp, y, n, a)
// scratch: tmp f32 [n]
__global__ void fill(const float* x, float* tmp, int n) {
    int i = blockIdx.x * 64 + threadIdx.x;
    if (i < n) tmp[i] = x[i] + 1;
}
__global__ void finish(const float* tmp, float* y, long n, double a) {
    extern __shared__ float part[];
    int i = blockIdx.x * 64 + threadIdx.x;
    part[threadIdx.x] = i < n ? tmp[i] : 0;
    __syncthreads();
    if (i < n) y[i] = a * part[threadIdx.x];
}
"""


def test_the_kernels_form_runs_its_plan_with_scratch_and_dynamic_shared_memory(device, toolchain, tmp_path):
    built = build(toolchain, KERNELS, Form.KERNELS)
    planned = call(tmp_path)
    result = device.run(job(built, planned))
    assert (result.failure, result.detail) == (None, "")
    np.testing.assert_allclose(output(result), 2 * (np.fromfile(planned.args[0].file, dtype=np.float32) + 1), rtol=1e-6)


def test_a_plan_that_cannot_be_evaluated_crashes_before_anything_runs(device, toolchain, tmp_path):
    built = build(toolchain, KERNELS.replace("cdiv(n, 64)", "cdiv(rows, 64)"), Form.KERNELS)
    result = device.run(job(built, call(tmp_path)))
    assert result.failure is Verdict.CRASHED
    assert "rows" in result.detail


def test_a_source_without_a_plan_is_a_failed_build(toolchain):
    built = build(toolchain, "__global__ void k(float* x) {}", Form.KERNELS)
    assert built.failure is Verdict.BUILD_FAILED
    assert "launch plan" in built.log


def transpose_call(folder: Path, size: int) -> Call:
    planned = call(folder, size * size)
    sizes = (Scalar(name="rows", dtype=DType.I32, value=size), Scalar(name="cols", dtype=DType.I32, value=size))
    return dataclasses.replace(planned, args=(*planned.args[:2], *sizes), values={"rows": size, "cols": size})


def test_a_coalesced_transpose_is_modelled_faster_than_a_naive_one(device, toolchain, tmp_path):
    planned = transpose_call(tmp_path, 1024)
    x = np.fromfile(planned.args[0].file, dtype=np.float32).reshape(1024, 1024)
    results = {name: device.run(job(build(toolchain, path.read_text()), planned, mode=Mode.TIME)) for name, path in TRANSPOSES.items()}
    naive, tiled = (result.calls[0] for result in results.values())
    for done in (naive, tiled):
        assert len(done.samples_us) == 1
        np.testing.assert_array_equal(np.frombuffer(done.outputs["y"], dtype=np.float32).reshape(1024, 1024), x.T)
    assert naive.samples_us[0] > 1.3 * tiled.samples_us[0]
    assert naive.counters["global_store_sectors"] == pytest.approx(32 * naive.counters["global_store_requests"])
    assert tiled.counters["global_store_sectors"] == pytest.approx(4 * tiled.counters["global_store_requests"])
    assert tiled.counters["shared_load_conflicts"] == 0


def test_a_profile_has_the_counters_under_nsight_computes_names(device, toolchain, tmp_path):
    naive = job(build(toolchain, TRANSPOSES["01_naive_read"].read_text()), transpose_call(tmp_path, 256), mode=Mode.PROFILE)
    wanted = (
        "l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_st.ratio",
        "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum",
        "launch__grid_size",
        "gpu__time_duration.sum",
        "no_such_metric.sum",
    )
    profile = device.profile(naive, wanted)
    assert profile.missing == ""
    (kernel,) = profile.kernels
    assert "transpose" in kernel.kernel
    values = {name: metric.value for name, metric in kernel.metrics.items()}
    assert values.keys() == set(wanted[:-1])
    assert values["l1tex__average_t_sectors_per_request_pipe_lsu_mem_global_op_st.ratio"] == pytest.approx(32)
    assert values["l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum"] == pytest.approx(256 * 256 / 32)
    assert values["launch__grid_size"] == 8 * 32
    assert values["gpu__time_duration.sum"] > 0


def test_a_call_that_was_timed_is_profiled_without_running_again(device, toolchain, tmp_path, monkeypatch):
    timed = job(build(toolchain, RIGHT), call(tmp_path, 1000), call(tmp_path, 77, "second"), mode=Mode.TIME)
    wanted = ("gpu__time_duration.sum", "launch__grid_size")
    alone = [device.profile(dataclasses.replace(timed, calls=(planned,)), wanted).kernels for planned in timed.calls]
    device.run(timed)
    runs: list[Job] = []
    attempt = device._attempt
    monkeypatch.setattr(device, "_attempt", lambda job: runs.append(job) or attempt(job))
    for planned, expected in zip(timed.calls, alone, strict=True):
        assert device.profile(dataclasses.replace(timed, calls=(planned,)), wanted).kernels == expected
    assert runs == []
    device.profile(dataclasses.replace(timed, calls=(call(tmp_path, 500),)), wanted)  # the same label, and other arguments
    device.profile(job(build(toolchain, SHIFT % "__syncthreads();"), *timed.calls), wanted)  # the same calls of another candidate
    assert len(runs) == 2


def test_counts_of_old_calls_are_let_go(device, toolchain, tmp_path):
    built = build(toolchain, RIGHT)
    for first in range(0, 80, 20):
        device.run(job(built, *(call(tmp_path, 10, f"{n}") for n in range(first, first + 20)), mode=Mode.TIME))
    assert len(device._counted._kept) == 64


def test_a_profile_of_a_kernel_that_crashes_says_why_there_is_none(device, toolchain, tmp_path):
    profile = device.profile(job(build(toolchain, SCALE % "y[i] = a * x[i];"), call(tmp_path)), ("launch__grid_size",))
    assert profile.kernels == ()
    assert "past the end" in profile.missing


def test_nothing_stays_behind(device, toolchain, tmp_path):
    device.run(job(build(toolchain, RIGHT), call(tmp_path)))
    assert list(device._scratch.iterdir()) == []
