"""What every device does, on hardware or emulated: results as bytes, failures as data, and nothing shared between jobs."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kernelsearch import catalog, contents, paths
from kernelsearch.contents import Recipe
from kernelsearch.device import NAMES, inventory, open_device
from kernelsearch.device.base import Call, CallResult, Device, Job, JobResult, Mode, Sample, Scalar, Tensor, TimingPlan
from kernelsearch.model import Arg, ArgKind, Candidate, Case, DType, Expression, Form, Origin, Task, TimeKind, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.base import Toolchain
from kernelsearch.toolchain.emulated import EmulatedToolchain
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.nvcc import NvccToolchain

ON_GPU = {"cuda": "cupy", "pycuda": "pycuda"}
# The host runs PyTorch modules alone; tests/unit/test_host_device.py holds it to the same.
PARAMS = [pytest.param(name, marks=pytest.mark.gpu) if name in ON_GPU else name for name in NAMES if name != "host"]
QUICK = TimingPlan(warmup_ms=1.0, min_samples=3, max_samples=5, max_seconds=0.5)

LAUNCHER = """
__global__ void mix(const float* x, const int* index, float* y, int* seen, int n, float a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    %s
}
extern "C" void solve(const float* x, const int* index, float* y, int* seen, int n, float a) {
    mix<<<(n + 127) / 128, 128>>>(x, index, y, seen, n, a);
}
"""
RIGHT = LAUNCHER % "if (i < n) { y[i] += a * x[index[i]]; seen[i] = index[i]; }"
KERNELS = """
// launch: scaled grid=(cdiv(n, 64)) block=(64) args=(x, part, n, a)
// launch: gather grid=(cdiv(n, 64)) block=(64) args=(part, index, y, seen, n)
// scratch: part f32 [n]
__global__ void scaled(const float* x, float* part, int n, float a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) part[i] = a * x[i];
}
__global__ void gather(const float* part, const int* index, float* y, int* seen, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) { y[i] += part[index[i]]; seen[i] = index[i]; }
}
"""


class Bench:
    """A device with the toolchain that builds for it."""

    def __init__(self, device: Device, toolchain: Toolchain) -> None:
        self.device = device
        self._toolchain = toolchain

    def job(self, source: str, *calls: Call, form: Form = Form.LAUNCHER, mode: Mode = Mode.VERIFY, timeout_s: float = 60.0) -> Job:
        task = self._task(source, form)
        origin = Origin(proposer="test")
        build = self._toolchain.build(Candidate(task="t", source=source, flags=("-O3",), origin=origin), task)
        assert build.ok, build.log
        timed = mode is Mode.TIME and self.device.time_kind is TimeKind.MEASURED
        samples = tuple(Sample(call=n, key=call.key, distribution=call.distribution) for n, call in enumerate(calls) if timed)
        return Job(
            build=build,
            entry=task.entry,
            plan=build.plan,
            calls=calls,
            mode=mode,
            samples=samples,
            timing=QUICK,
            timeout_s=timeout_s,
        )

    def run(self, *args, **options) -> JobResult:
        return self.device.run(self.job(*args, **options))

    def _task(self, source: str, form: Form) -> Task:
        def tensor(name: str, kind: ArgKind, dtype: DType) -> Arg:
            return Arg(name=name, kind=kind, dtype=dtype, shape=(Expression("n"),))

        return Task(
            name="mix",
            form=form,
            entry="solve" if form is Form.LAUNCHER else None,
            args=(
                tensor("x", ArgKind.INPUT, DType.F32),
                tensor("index", ArgKind.INPUT, DType.I32),
                tensor("y", ArgKind.INOUT, DType.F32),
                tensor("seen", ArgKind.OUTPUT, DType.I32),
                Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
                Arg(name="a", kind=ArgKind.SCALAR, dtype=DType.F32, value=0.5),
            ),
            cases=(Case(name="one", sizes={"n": 1000}, timed=True),),
            baseline=source,
        )


@pytest.fixture(scope="module", params=PARAMS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    sandbox = open_sandbox(unsafe=True)
    cache, scratch = tmp_path_factory.getbasetemp() / "emulated", tmp_path_factory.mktemp("scratch")
    if request.param in ON_GPU:
        found, nvcc = inventory.detect(), find_nvcc()
        if not found:
            pytest.skip("no NVIDIA GPU on this machine")
        if nvcc is None:
            pytest.skip("no nvcc on this machine")
        if importlib.util.find_spec(ON_GPU[request.param]) is None:
            pytest.skip(f"{ON_GPU[request.param]} is not installed")
        hardware = catalog.hardware(catalog.profile_name(found[0].name) or "h100")
        toolchain: Toolchain = NvccToolchain(sandbox=sandbox, cache=cache, nvcc=nvcc, arch=found[0].arch)
    else:
        hardware = catalog.hardware("h100")
        toolchain = EmulatedToolchain(sandbox=sandbox, cache=cache, nvcc=None)
    support = toolchain.cubin(paths.data("sandbox") / "runner" / "support.cu") if isinstance(toolchain, NvccToolchain) else None
    device = open_device(request.param, sandbox=sandbox, scratch=scratch, hardware=hardware, support=support)
    yield Bench(device, toolchain)
    device.close()


Case_ = Callable[..., tuple[Call, dict[str, np.ndarray]]]


@pytest.fixture
def prepared(tmp_path: Path) -> Case_:
    """`prepared(label, n)`: a call and the outputs it must give."""

    def make(label: str = "one/normal/0", n: int = 1000) -> tuple[Call, dict[str, np.ndarray]]:
        rng = np.random.default_rng(n)
        data = {"x": rng.standard_normal(n, dtype=np.float32), "index": rng.permutation(n).astype(np.int32)}
        data["y"] = rng.standard_normal(n, dtype=np.float32)
        files = {name: tmp_path / f"{label.replace('/', '-')}.{name}" for name in data}
        for name, values in data.items():
            values.tofile(files[name])
        args = (
            Tensor(name="x", dtype=DType.F32, count=n, shape=(n,), file=files["x"]),
            Tensor(name="index", dtype=DType.I32, count=n, shape=(n,), file=files["index"]),
            Tensor(name="y", dtype=DType.F32, count=n, shape=(n,), file=files["y"], written=True),
            Tensor(name="seen", dtype=DType.I32, count=n, shape=(n,), written=True),
            Scalar(name="n", dtype=DType.I32, value=n),
            Scalar(name="a", dtype=DType.F32, value=0.5),
        )
        expected = {"y": data["y"] + np.float32(0.5) * data["x"][data["index"]], "seen": data["index"]}
        return Call(label=label, args=args, values={"n": n, "a": 0.5}), expected

    return make


def with_outputs(result: JobResult) -> list[CallResult]:
    """Verified calls, or those of the timed calls whose outputs were wanted."""
    return [call for call in result.calls if call.outputs]


def agree(result: JobResult, *expected: dict[str, np.ndarray]) -> None:
    assert (result.failure, result.detail) == (None, "")
    for call, arrays in zip(with_outputs(result), expected, strict=True):
        assert call.outputs.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_allclose(np.frombuffer(call.outputs[name], dtype=array.dtype), array, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("source", "form"), [(RIGHT, Form.LAUNCHER), (KERNELS, Form.KERNELS)], ids=["launcher", "kernels"])
def test_outputs_of_every_call_come_back_in_order(bench: Bench, prepared: Case_, source: str, form: Form):
    (first, one), (second, two) = prepared("first", 1000), prepared("second", 129)
    result = bench.run(source, first, second, form=form)
    agree(result, one, two)
    assert [call.label for call in result.calls] == ["first", "second"]
    assert all(call.samples_us == () for call in result.calls)


def test_a_tensor_that_is_read_and_written_starts_from_its_contents_when_timed_too(bench: Bench, prepared: Case_):
    call, expected = prepared()
    agree(bench.run(RIGHT, call, mode=Mode.TIME), expected)


def test_times_and_samples_come_one_after_the_other(bench: Bench, prepared: Case_):
    (first, one), (second, two) = prepared("first", 1000), prepared("second", 129)
    result = bench.run(RIGHT, first, second, mode=Mode.TIME)
    agree(result, one, two)
    times = [call for call in result.calls if call.samples_us]
    assert [call.label for call in times] == [call.label for call in with_outputs(result)] == ["first", "second"]
    if bench.device.time_kind is TimeKind.MEASURED:
        assert list(result.calls) == times + with_outputs(result)
        assert [call.sample.call for call in with_outputs(result)] == [0, 1]
        assert all(call.rival_us == () for call in times)


def test_times_against_a_rival_are_pairs(bench: Bench, prepared: Case_):
    if bench.device.time_kind is TimeKind.MODELLED:
        pytest.skip("modelled times need no rival")
    call, expected = prepared()
    job = bench.job(RIGHT, call, mode=Mode.TIME)
    for fresh in (False, False, True):
        result = bench.device.run(dataclasses.replace(job, rival=dataclasses.replace(job, samples=()), rival_fresh=fresh))
        agree(result, expected)
        times = result.calls[0]
        assert len(times.samples_us) == len(times.rival_us) >= 3
        assert all(math.isfinite(sample) and sample > 0 for sample in (*times.samples_us, *times.rival_us))


def test_what_a_device_draws_is_what_the_recipe_says(bench: Bench, prepared: Case_):
    if not bench.device.draws:
        pytest.skip("this device is given files")
    call, _ = prepared()
    x = dataclasses.replace(call.args[0], file=None, recipe=Recipe(dtype="f32", position=0, count=1000))
    y = dataclasses.replace(call.args[2], file=None, recipe=Recipe(dtype="f32", position=2, count=1000, exponent=-1))
    call = dataclasses.replace(call, args=(x, call.args[1], y, *call.args[3:]), key=2**63 + 1, distribution="spikes")
    index = np.fromfile(call.args[1].file, np.int32)
    drawn = {arg.name: contents.draw(arg.recipe, call.key, "spikes") for arg in (x, y)}
    expected = {"y": drawn["y"] + np.float32(0.5) * drawn["x"][index], "seen": index}
    for mode in (Mode.VERIFY, Mode.TIME):
        agree(bench.run(RIGHT, call, mode=mode), expected)


def test_times_are_positive_finite_and_of_the_kind_the_device_says(bench: Bench, prepared: Case_):
    result = bench.run(RIGHT, prepared()[0], mode=Mode.TIME)
    samples = result.calls[0].samples_us
    assert all(math.isfinite(sample) and sample > 0 for sample in samples)
    assert len(samples) == 1 if bench.device.time_kind is TimeKind.MODELLED else len(samples) >= 3


def test_unwritten_outputs_are_poison_and_not_a_former_answer(bench: Bench, prepared: Case_):
    call, expected = prepared()
    agree(bench.run(RIGHT, call), expected)
    result = bench.run(LAUNCHER % "if (i < n / 2) { y[i] = 0; seen[i] = 0; }", call)
    assert result.failure is None
    assert set(np.frombuffer(result.calls[0].outputs["seen"], dtype=np.int32)[500:]) == {-1}


@pytest.mark.parametrize(
    ("body", "failures"),
    [
        ("if (i < n) { y[i] = 0; seen[i] = 0; const_cast<float*>(x)[i] = 1; }", {Verdict.CHEATED}),
        ("if (i < n) { y[i] = 0; seen[i] = 0; } if (i == n - 1) seen[n] = 1;", {Verdict.CHEATED, Verdict.CRASHED}),
        ("if (i < n) y[i] = ((const float*)0)[i + 4];", {Verdict.CRASHED}),
        ("if (i < n) y[i] = 0; if (i == 3) __trap();", {Verdict.CRASHED}),
    ],
    ids=["input changed", "past the end", "null", "trap"],
)
def test_what_a_kernel_must_not_do_is_a_failure_and_the_next_job_is_whole(bench: Bench, prepared: Case_, body: str, failures: set[Verdict]):
    call, expected = prepared()
    result = bench.run(LAUNCHER % body, call)
    assert result.failure in failures
    assert result.detail
    assert result.calls == ()
    agree(bench.run(RIGHT, call), expected)


def test_a_kernel_that_never_ends_is_timed_out(bench: Bench, prepared: Case_):
    result = bench.run(LAUNCHER % "volatile const float* v = x; while (v[0] == v[0]) {} if (i < n) y[i] = 0;", prepared()[0], timeout_s=4.0)
    assert result.failure is Verdict.TIMED_OUT


def test_a_launch_plan_that_cannot_be_evaluated_is_a_crash_in_words(bench: Bench, prepared: Case_):
    result = bench.run(KERNELS.replace("[n]", "[rows]"), prepared()[0], form=Form.KERNELS)
    assert result.failure is Verdict.CRASHED
    assert "rows" in result.detail


def test_a_device_describes_itself(bench: Bench):
    assert bench.device.name
    assert bench.device.hardware.sm_count > 0
    assert all(isinstance(value, str) for value in bench.device.facts.values())
