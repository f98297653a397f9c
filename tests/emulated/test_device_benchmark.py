"""The benchmark of modelled against measured times: its kernels compute what they say, and its statistics are right."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kernelsearch import catalog
from kernelsearch.device import open_device
from kernelsearch.device.base import Job, Mode
from kernelsearch.model import Candidate, Origin
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.emulated import EmulatedToolchain

REFERENCES = {
    "transpose": lambda x: x.T,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    "matmul": lambda a, b: a @ b,
}
# Multiples of 64 where a variant asks for that, and never square.
SIZES = {"transpose": {"rows": 64, "cols": 128}, "softmax": {"rows": 5, "cols": 300}, "matmul": {"m": 64, "n": 96, "k": 32}}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / "emulated_vs_hardware.py"
    spec = importlib.util.spec_from_file_location("emulated_vs_hardware", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> EmulatedToolchain:
    return EmulatedToolchain(sandbox=open_sandbox(unsafe=True), cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)


@pytest.mark.parametrize("name", list(REFERENCES))
def test_every_variant_is_right(benchmark: ModuleType, toolchain: EmulatedToolchain, tmp_path: Path, name: str):
    (whole,) = (kernel for kernel in benchmark.KERNELS if kernel.name == name)
    kernel = dataclasses.replace(whole, sizes=SIZES[name])
    device = open_device("emulated", sandbox=open_sandbox(unsafe=True), scratch=tmp_path, hardware=catalog.hardware("h200"))
    assert len(kernel.variants) >= 7
    for variant in kernel.variants:
        task = kernel.task(variant.read_text())
        call = benchmark.call_of(task, tmp_path)
        build = toolchain.build(Candidate(task="t", source=task.baseline, flags=task.flags, origin=Origin(proposer="test")), task)
        assert build.ok, build.log
        result = device.run(Job(build=build, entry="solve", plan=None, calls=(call,), mode=Mode.VERIFY))
        assert (variant.stem, result.failure, result.detail) == (variant.stem, None, "")
        shapes = {arg.name: task.shape(arg, task.cases[0]) for arg in task.args if arg.is_tensor}
        inputs = [np.fromfile(arg.file, np.float32).reshape(shapes[arg.name]) for arg in call.args if getattr(arg, "file", None)]
        (output,) = result.calls[0].outputs.values()
        expected = REFERENCES[name](*(values.astype(np.float64) for values in inputs))
        np.testing.assert_allclose(np.frombuffer(output, np.float32).reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)


def test_ranks_share_ties(benchmark: ModuleType):
    assert benchmark.ranks([10.0, 30.0, 20.0, 20.0]) == [1.0, 4.0, 2.5, 2.5]


def test_rank_correlation_sees_order_alone(benchmark: ModuleType):
    rising = [(1.0, 10.0), (2.0, 11.0), (3.0, 500.0)]
    assert benchmark.spearman(rising) == pytest.approx(1)
    assert benchmark.spearman([(a, -b) for a, b in rising]) == pytest.approx(-1)
    assert benchmark.spearman([(1.0, 2.0), (1.0, 3.0)]) == 0


def test_the_interval_holds_the_estimate_and_is_reproducible(benchmark: ModuleType):
    pairs = [(float(i), float(i + (i % 3) * 2)) for i in range(12)]
    low, high = benchmark.interval(pairs, 500)
    assert low <= benchmark.spearman(pairs) <= high
    assert benchmark.interval(pairs, 500) == (low, high)


def test_pooling_removes_the_kernels_own_scale(benchmark: ModuleType):
    pairs = [(10.0, 1.0), (1000.0, 100.0)]
    assert benchmark.relative(pairs) == [pytest.approx((0.1, 0.1)), pytest.approx((10.0, 10.0))]
