"""The devices `cuda` and `pycuda` on real hardware: what a candidate may do, and what becomes of one that does something else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernelsearch import contents
from kernelsearch.contents import DISTRIBUTIONS, DTYPES, Recipe
from kernelsearch.device.base import Call, Device, Job, JobResult, Mode, Sample, Scalar, Tensor, TimingPlan
from kernelsearch.model import DType, Expression, Launch, LaunchPlan, Scratch, Verdict

pytestmark = pytest.mark.gpu

N = 100_003  # odd, so that nothing ends on a multiple of a block or a vector
E = Expression


def scale(body: str, name: str = "scale") -> str:
    """A launcher with one kernel whose body works on x, y, n, a and its own index i."""
    return f"""
    __global__ void {name}(float* x, float* y, int n, float a) {{
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        {body}
    }}
    extern "C" void solve(float* x, float* y, int n, float a) {{ {name}<<<(n + 255) / 256, 256>>>(x, y, n, a); }}
    """


RIGHT = scale("if (i < n) y[i] = a * x[i];")
PLAN = LaunchPlan(
    launches=(
        Launch(kernel="scale", grid=(E("cdiv(n, 256)"), E("1"), E("1")), block=(E("256"), E("1"), E("1")), args=("x", "y", "n", "a")),
    )
)


def call(folder: Path, label: str = "one", n: int = N, a: float = 2.0, seed: int = 0) -> Call:
    x = np.random.default_rng(seed).standard_normal(n).astype(np.float32)
    file = folder / f"{label.replace('/', '-')}.x"
    file.write_bytes(x.tobytes())
    return Call(
        label=label,
        args=(
            Tensor(name="x", dtype=DType.F32, count=n, shape=(n,), file=file),
            Tensor(name="y", dtype=DType.F32, count=n, shape=(n,), written=True),
            Scalar(name="n", dtype=DType.I32, value=n),
            Scalar(name="a", dtype=DType.F32, value=a),
        ),
        values={"n": n, "a": a},
    )


def job(build, *calls: Call, mode: Mode = Mode.VERIFY, timeout_s: float = 60.0, timing: TimingPlan | None = None) -> Job:
    """Timed, one of each call's outputs is wanted."""
    entry = "solve" if build.plan is None else None
    samples = tuple(Sample(call=n, key=one.key, distribution=one.distribution) for n, one in enumerate(calls) if mode is Mode.TIME)
    return Job(
        build=build,
        entry=entry,
        plan=build.plan,
        calls=calls,
        mode=mode,
        samples=samples,
        timing=timing or TimingPlan(),
        timeout_s=timeout_s,
    )


def against(ours: Job, rival) -> Job:
    return replace(ours, rival=replace(ours, build=rival, samples=()))


def drawn(planned: Call) -> Call:
    """The same, with x drawn by the device."""
    x = planned.args[0]
    return replace(planned, args=(replace(x, file=None, recipe=Recipe(dtype="f32", position=0, count=x.count)), *planned.args[1:]))


def inputs(planned: Call) -> np.ndarray:
    return np.fromfile(planned.args[0].file, np.float32)


def output(result: JobResult, number: int = 0) -> np.ndarray:
    """Of the results that have some: verified calls, or samples of timed ones."""
    return np.frombuffer([done for done in result.calls if done.outputs][number].outputs["y"], np.float32)


@pytest.mark.parametrize("plan", [None, PLAN], ids=["launcher", "kernels"])
def test_right_outputs_come_back_for_every_call(device: Device, compiled, scratch: Path, plan) -> None:
    calls = [call(scratch, "first"), call(scratch, "second/normal/1", n=7, a=-0.5, seed=1)]
    result = device.run(job(compiled(RIGHT, plan), *calls))
    assert (result.failure, result.detail) == (None, "")
    for number, planned in enumerate(calls):
        np.testing.assert_array_equal(output(result, number), np.float32(planned.values["a"]) * inputs(planned))


def test_an_element_never_written_stays_poison(device: Device, compiled, scratch: Path) -> None:
    result = device.run(job(compiled(scale("if (i < n - 1) y[i] = a * x[i];")), call(scratch)))
    assert result.failure is None
    assert math.isnan(output(result)[-1]) and not np.isnan(output(result)[:-1]).any()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("if (i <= n) y[i] = a * x[min(i, n - 1)];", "wrote outside of y"),
        ("if (i < n) y[i] = a * x[i]; if (i == 0) y[-1] = 0.0f;", "wrote outside of y"),
        ("if (i < n) y[i] = a * x[i]; if (i == 77) x[i] = 0.0f;", "changed its input x"),
    ],
)
def test_writing_where_it_may_not_is_cheating(device: Device, compiled, scratch: Path, body: str, words: str) -> None:
    for mode in (Mode.VERIFY, Mode.TIME):
        result = device.run(job(compiled(scale(body)), call(scratch), mode=mode))
        assert result.failure is Verdict.CHEATED
        assert words in result.detail


def test_an_illegal_access_is_a_crash_and_the_next_job_is_fine(device: Device, compiled, scratch: Path) -> None:
    result = device.run(job(compiled(scale("if (i < n) y[i + (1LL << 40)] = a;")), call(scratch)))
    assert result.failure is Verdict.CRASHED
    assert "illegal" in result.detail.lower()
    assert device.run(job(compiled(RIGHT), call(scratch))).failure is None


def test_a_dead_process_is_a_crash(device: Device, compiled, scratch: Path) -> None:
    source = '#include <csignal>\nextern "C" void solve(float* x, float* y, int n, float a) { raise(SIGSEGV); }'
    result = device.run(job(compiled(source), call(scratch)))
    assert result.failure is Verdict.CRASHED
    assert "SIGSEGV" in result.detail


def test_a_launch_that_cannot_be_is_a_crash(device: Device, compiled, scratch: Path) -> None:
    launcher = RIGHT.replace("256>>>", "4096>>>")
    plan = LaunchPlan(launches=(Launch(kernel="scale", grid=(E("1"),) * 3, block=(E("4096"), E("1"), E("1")), args=("x", "y", "n", "a")),))
    for build in (compiled(launcher), compiled(RIGHT, plan)):
        result = device.run(job(build, call(scratch)))
        assert result.failure is Verdict.CRASHED
        assert "invalid" in result.detail.lower()


def test_a_kernel_that_never_ends_is_timed_out_and_the_next_job_is_fine(device: Device, compiled, scratch: Path) -> None:
    hang = scale("volatile float* v = x; while (v[0] == v[0]) { } if (i < n) y[i] = a;")
    result = device.run(job(compiled(hang), call(scratch), timeout_s=3.0))
    assert result.failure is Verdict.TIMED_OUT
    assert device.run(job(compiled(RIGHT), call(scratch))).failure is None


def test_a_plan_with_scratch_expressions_and_large_shared_memory(device: Device, compiled, scratch: Path) -> None:
    source = """
    __global__ void square(const float* x, float* t, long long n) {
        long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
        if (i < n) t[i] = x[i] * x[i];
    }
    __global__ void through_shared(const float* t, float* y, long long n, int last) {
        extern __shared__ float tile[];
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        tile[last - threadIdx.x] = i < n ? t[i] : 0.0f;
        __syncthreads();
        if (i < n) y[i] = tile[last - threadIdx.x];
    }
    """
    one = E("1")
    plan = LaunchPlan(
        scratch=(Scratch(name="t", dtype=DType.F32, extent=E("n")),),
        launches=(
            Launch(kernel="square", grid=(E("cdiv(n, 128)"), one, one), block=(E("128"), one, one), args=("x", "t", "n")),
            Launch(
                kernel="through_shared",
                grid=(E("cdiv(n, 256)"), one, one),
                block=(E("256"), one, one),
                shared=E("96 * 1024"),
                args=("t", "y", "n", "96 * 256 - 1"),
            ),
        ),
    )
    planned = call(scratch)
    planned = Call(
        label=planned.label, values=planned.values, args=(*planned.args[:2], Scalar(name="n", dtype=DType.I64, value=N), planned.args[3])
    )
    result = device.run(job(compiled(source, plan), planned))
    assert (result.failure, result.detail) == (None, "")
    np.testing.assert_array_equal(output(result), inputs(planned) ** 2)


def test_what_is_read_and_written_starts_anew_at_every_launch(device: Device, compiled, scratch: Path) -> None:
    planned = call(scratch)
    y = np.arange(N, dtype=np.float32)
    (scratch / "y").write_bytes(y.tobytes())
    accumulated = Tensor(name="y", dtype=DType.F32, count=N, file=scratch / "y", written=True)
    planned = Call(label="inout", values=planned.values, args=(planned.args[0], accumulated, *planned.args[2:]))
    build = compiled(scale("if (i < n) y[i] = y[i] + a * x[i];"))
    for mode in (Mode.VERIFY, Mode.TIME):
        result = device.run(job(build, planned, mode=mode))
        assert result.failure is None
        np.testing.assert_allclose(output(result), y + np.float32(2.0) * inputs(planned), rtol=1e-6)


def test_half_precision_scalars_arrive(device: Device, compiled, scratch: Path) -> None:
    source = """
    #include <cuda_fp16.h>
    #include <cuda_bf16.h>
    extern "C" __global__ void put(float* y, __half h, __nv_bfloat16 b, double d, bool t, short s, unsigned char u, long long l) {
        y[0] = __half2float(h); y[1] = __bfloat162float(b); y[2] = (float)d; y[3] = t; y[4] = s; y[5] = u; y[6] = (float)l;
    }
    """
    wanted = [("h", DType.F16, 0.375), ("b", DType.BF16, -3.0), ("d", DType.F64, 7.5), ("t", DType.BOOL, 1), ("s", DType.I16, -12)]
    scalars = [Scalar(name=n, dtype=d, value=v) for n, d, v in [*wanted, ("u", DType.U8, 200), ("l", DType.I64, -(2**33))]]
    plan = LaunchPlan(launches=(Launch(kernel="put", grid=(E("1"),) * 3, block=(E("1"),) * 3, args=("y", *(s.name for s in scalars))),))
    planned = Call(label="scalars", args=(Tensor(name="y", dtype=DType.F32, count=7, written=True), *scalars), values={})
    result = device.run(job(compiled(source, plan), planned))
    assert (result.failure, result.detail) == (None, "")
    assert output(result).tolist() == [scalar.value for scalar in scalars]


def test_times_are_sampled_as_planned(device: Device, compiled, scratch: Path, record_property) -> None:
    timing = TimingPlan(warmup_ms=5, min_samples=20, max_samples=40, max_seconds=5)
    for n in (N, 64 * N):
        planned = call(scratch, f"n={n}", n=n)
        medians = []
        for _ in range(2):
            result = device.run(job(compiled(RIGHT, PLAN), planned, mode=Mode.TIME, timing=timing))
            assert (result.failure, result.detail) == (None, "")
            samples = result.calls[0].samples_us
            assert 20 <= len(samples) <= 40 and all(sample > 0 for sample in samples)
            medians.append(sorted(samples)[len(samples) // 2])
            np.testing.assert_array_equal(output(result), np.float32(2.0) * inputs(planned))
        print(f"n={n}: medians {medians} µs of {len(samples)} samples, {dict(result.conditions)}")
        record_property(f"medians_us_{n}", medians)


def test_work_on_another_stream_is_found_late(device: Device, compiled, scratch: Path) -> None:
    body = "long long end = clock64() + 2000000; while (clock64() < end) { } if (i < n) y[i] = a * x[i];"
    aside = scale(body).replace(
        "{ scale<<<(n + 255) / 256, 256>>>",
        "{ cudaStream_t s; cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking); scale<<<(n + 255) / 256, 256, 0, s>>>",
    )
    planned = call(scratch, n=256)
    assert device.run(job(compiled(scale(body)), planned)).failure is None
    for mode in (Mode.VERIFY, Mode.TIME):  # about a millisecond that the events alone would not see
        result = device.run(job(compiled(aside), planned, mode=mode))
        assert result.failure is Verdict.CHEATED
        assert "work went on elsewhere" in result.detail


COPY = """
extern "C" __global__ void copy(const unsigned char* x, unsigned char* y, long long bytes) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < bytes; i += gridDim.x * (long long)blockDim.x) y[i] = x[i];
}
"""
COPIES = LaunchPlan(
    launches=(Launch(kernel="copy", grid=(E("64"), E("1"), E("1")), block=(E("128"), E("1"), E("1")), args=("x", "y", "bytes")),)
)


def copied(dtype: str, distribution: str, count: int, **recipe) -> Call:
    """A call that brings what was drawn out again."""
    made = Recipe(dtype=dtype, position=0, count=count, **recipe)
    nbytes = count * DType(dtype).size
    return Call(
        label=f"{dtype}/{distribution}/{count}",
        args=(
            Tensor(name="x", dtype=DType(dtype), count=count, shape=(count,), recipe=made),
            Tensor(name="y", dtype=DType(dtype), count=count, shape=(count,), written=True),
            Scalar(name="bytes", dtype=DType.I64, value=nbytes),
        ),
        values={"bytes": nbytes},
        distribution=distribution,
        key=0x9E3779B97F4A7C15 ^ count,
    )


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_contents_are_those_of_the_key_bit_for_bit_and_so_are_digests(device: Device, compiled, distribution: str) -> None:
    """Sizes do not end on words. A digest that differed would make the job a failure."""
    calls = []
    for dtype in DTYPES:
        low, span = (0, 2) if dtype == "bool" else (0 if dtype[0] == "u" else -50, 101)
        recipe = {"exponent": -3} if DType(dtype).is_float else {"low": low, "span": span}
        calls += [copied(dtype, distribution, count, **recipe) for count in (1, 3, 4099)]
    for mode in (Mode.VERIFY, Mode.TIME):
        wanted = calls if mode is Mode.VERIFY else calls[2::3]
        timing = TimingPlan(warmup_ms=0, min_samples=2, max_samples=2, max_seconds=1, few=2)
        result = device.run(job(compiled(COPY, COPIES), *wanted, mode=mode, timing=timing, timeout_s=120.0))
        assert (result.failure, result.detail) == (None, "")
        found = [done for done in result.calls if done.outputs]
        assert [done.label for done in found] == [planned.label for planned in wanted]
        for planned, done in zip(wanted, found, strict=True):
            recipe = planned.args[0].recipe
            assert bytes(done.outputs["y"]) == contents.draw(recipe, planned.key, distribution).tobytes(), planned.label


@pytest.mark.parametrize("n", [1, 255, 1021, N])
def test_a_write_right_behind_an_odd_end_shows(device: Device, compiled, scratch: Path, n: int) -> None:
    source = scale("if (i < n) y[i] = a * x[i]; if (i == 0) ((char*)(y + n))[0] ^= 1;")
    result = device.run(job(compiled(source), drawn(call(scratch, n=n))))
    assert result.failure is Verdict.CHEATED
    assert "wrote outside of y" in result.detail


def test_outputs_of_timed_calls_belong_to_their_keys(device: Device, compiled, scratch: Path) -> None:
    planned = drawn(call(scratch))
    samples = tuple(Sample(call=0, key=key, distribution=kind) for key, kind in ((5, "normal"), (2**63, "spikes"), (7, "uniform")))
    result = device.run(replace(job(compiled(RIGHT), planned, mode=Mode.TIME), samples=samples))
    assert (result.failure, result.detail) == (None, "")
    assert {done.sample for done in result.calls[1:]} == set(samples)
    for number, done in enumerate(result.calls[1:]):
        x = contents.draw(planned.args[0].recipe, done.sample.key, done.sample.distribution)
        np.testing.assert_array_equal(output(result, number), np.float32(2.0) * x)


def test_timed_calls_come_on_several_sets_of_buffers(device: Device, compiled) -> None:
    source = (
        'extern "C" void solve(unsigned long long* y) { auto at = (unsigned long long)y; cudaMemcpy(y, &at, 8, cudaMemcpyHostToDevice); }'
    )
    planned = Call(label="where", args=(Tensor(name="y", dtype=DType.U64, count=1, shape=(1,), written=True),), values={})
    samples = tuple(Sample(call=0, key=key, distribution="normal") for key in range(12))
    result = device.run(replace(job(compiled(source), planned, mode=Mode.TIME), samples=samples))
    assert (result.failure, result.detail) == (None, "")
    assert 1 < len({bytes(done.outputs["y"]) for done in result.calls[1:]}) <= 8


def test_a_rival_stays_through_candidates_that_pass_and_that_crash(device: Device, compiled, scratch: Path) -> None:
    planned, rival = drawn(call(scratch, "resident")), compiled(scale("if (i < n) y[i] = x[i] * a;"))
    timing = TimingPlan(warmup_ms=5, min_samples=20, max_samples=40, max_seconds=5)
    stray = RIGHT.replace("{ scale<<<", "{ static int calls; if (++calls > 9) x += 1LL << 40; scale<<<")
    kept = None
    for number in range(6):
        source = stray if number == 2 else RIGHT.replace("a * x[i]", f"a * x[i] + {number} * 0.0f")
        result = device.run(against(job(compiled(source), planned, mode=Mode.TIME, timing=timing), rival))
        (guest,) = [one for one in device._boxes._rivals.values() if one.delivery._job.build.artifact == rival.artifact]
        assert kept in (None, guest)
        kept = guest
        if number == 2:
            assert result.failure is Verdict.CRASHED and "illegal" in result.detail.lower()
            continue
        assert (result.failure, result.detail) == (None, "")
        times = result.calls[0]
        assert len(times.samples_us) == len(times.rival_us) >= 10
        ratio = sorted(theirs / ours for ours, theirs in zip(times.samples_us, times.rival_us, strict=True))[len(times.samples_us) // 2]
        print(f"the same kernel over its rival: {ratio:.4f}, unexplained {times.unexplained_us:.1f} ± {times.doubt_us:.1f} µs")
        assert times.by_clock
    assert kept.uses == 5


RACE = scale("__shared__ float last; last = x[min(i, n - 1)]; if (i < n) y[i] = a * x[i] + 0.0f * last;")
BEYOND = scale("if (i < n) y[i] = a * x[i] + 0.0f * x[i + n];")


@pytest.mark.parametrize(
    ("source", "tool", "plan"),
    [(RIGHT, None, None), (RIGHT, None, PLAN), (BEYOND, "memcheck", None), (BEYOND, "memcheck", PLAN), (RACE, "racecheck", None)],
    ids=["clean", "clean kernels", "a read past the end", "a read past the end of kernels", "a race"],
)
def test_the_sanitizer_finds_what_outputs_do_not_show(device: Device, compiled, scratch: Path, source: str, tool: str | None, plan) -> None:
    build = compiled(source, plan)
    reports = device.sanitize(job(build, drawn(call(scratch, n=1000)), mode=Mode.PROFILE))
    if missing := [report.missing for report in reports if report.missing]:
        pytest.skip("; ".join(missing)) if "not installed" in missing[0] else pytest.fail("; ".join(missing))
    hazards = [hazard for report in reports for hazard in report.hazards]
    assert {hazard.tool for hazard in hazards} == ({tool} if tool else set()), hazards
    assert not any(hazard.doubt for hazard in hazards)
    assert all("scale" in hazard.kernel for hazard in hazards if hazard.tool == "memcheck")


def test_counters_come_back(device: Device, compiled, scratch: Path) -> None:
    names = ["gpu__time_duration.sum", "dram__bytes_read.sum", "smsp__inst_executed.sum"]
    for plan in (PLAN, None):
        found = device.profile(job(compiled(RIGHT, plan), call(scratch, n=64 * N), mode=Mode.PROFILE), names)
        if "ERR_NVGPUCTRPERM" in found.missing or "not installed" in found.missing:
            pytest.skip(found.missing)
        assert found.missing == ""
        assert ["scale" in kernel.kernel for kernel in found.kernels] == [True]
        assert found.kernels[0].metrics.keys() == set(names)
        assert found.kernels[0].metrics["dram__bytes_read.sum"].value > 0.5 * 64 * N * 4
