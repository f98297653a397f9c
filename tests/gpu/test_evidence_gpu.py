"""Evidence on real hardware that only exists there: the profiler's report with the line known to be hot, and the power of a kernel's calls.

`pytest tests/gpu/test_evidence_gpu.py -m gpu -s` also prints what the profiler wrote, what was measured, and how long that took.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kernelsearch import catalog, nsight
from kernelsearch.device.base import Call, Job, Mode, Scalar, Tensor, TimingPlan
from kernelsearch.device.cuda import CudaDevice
from kernelsearch.device.report import Reader
from kernelsearch.model import Arg, ArgKind, Build, Candidate, Case, DType, Expression, Form, Origin, Task
from kernelsearch.model.measurement import OWN_POWER
from kernelsearch.sandbox.bubblewrap import open_bubblewrap
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.nvcc import SOURCE, NvccToolchain

pytestmark = pytest.mark.gpu

N = 1 << 20
METRICS = ("gpu__time_duration.sum", "launch__grid_size", "smsp__inst_executed.sum")
# A walk along links that lie all over memory: nearly every sample of it is taken while a warp waits for the one load in the loop.
CHASE = """
__global__ void chase(const int* next, int* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int at = i;
    for (int step = 0; step < 64; ++step) {
        at = next[at];  // hot
    }
    y[i] = at;
}
extern "C" void solve(const int* next, int* y, int n) { chase<<<(n + 255) / 256, 256>>>(next, y, n); }
"""
HOT = next(number for number, line in enumerate(CHASE.splitlines(), 1) if "// hot" in line)
TASK = Task(
    name="chase",
    form=Form.LAUNCHER,
    entry="solve",
    args=(Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.I32, shape=(Expression("n"),)),),
    cases=(Case(name="big", sizes={"n": N}, timed=True),),
    baseline=CHASE,
)


@pytest.fixture(scope="module")
def toolchain(gpu, tmp_path_factory: pytest.TempPathFactory) -> NvccToolchain:
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc on this machine")
    return NvccToolchain(sandbox=open_bubblewrap(), cache=tmp_path_factory.mktemp("cache"), nvcc=nvcc, arch=gpu.arch)


@pytest.fixture(scope="module")
def cupy_device(gpu, support: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CudaDevice]:
    pytest.importorskip("cupy")
    folder = tmp_path_factory.mktemp("boxes")
    hardware = catalog.hardware("h100")  # the device hands it on and never reads it
    opened = CudaDevice(sandbox=open_bubblewrap(), scratch=folder, hardware=hardware, ordinal=gpu.ordinal, backend="cupy", support=support)
    yield opened
    opened.close()


def chase(build: Build, folder: Path) -> Job:
    links = np.random.default_rng(0).permutation(N).astype(np.int32)
    (folder / "next.bin").write_bytes(links.tobytes())
    args = (
        Tensor(name="next", dtype=DType.I32, count=N, shape=(N,), file=folder / "next.bin"),
        Tensor(name="y", dtype=DType.I32, count=N, shape=(N,), written=True),
        Scalar(name="n", dtype=DType.I32, value=N),
    )
    call = Call(label="big", args=args, values={"n": N})
    return Job(build=build, entry="solve", plan=None, calls=(call,), mode=Mode.PROFILE, timeout_s=60.0)


def test_the_line_that_is_known_to_be_hot_is_found(cupy_device: CudaDevice, toolchain: NvccToolchain, scratch: Path) -> None:
    build = toolchain.build(Candidate(task="chase", source=CHASE, origin=Origin(proposer="test")), TASK)
    assert build.ok, build.log
    job = chase(build, scratch)
    plain = cupy_device.profile(job, METRICS)
    if "ERR_NVGPUCTRPERM" in plain.missing or "not installed" in plain.missing:
        pytest.skip(plain.missing)
    again = cupy_device.profile(job, METRICS)
    found = cupy_device.profile(replace(job, source=CHASE), METRICS)
    size = len(found.report or b"")
    print(
        f"\n{plain.seconds:.1f} s for counters from cold, {again.seconds:.1f} s again, {found.seconds:.1f} s with a report of {size} bytes"
    )
    print("\n".join(line[:300] for line in found.source_page.splitlines()[:12]))
    hot = nsight.hot_lines(found.source_page, "chase", file=SOURCE)
    for place in hot:
        print(f"line {place.line}: {100 * place.share:.0f} %, {place.opcode}, waits for {place.waits_for}")
    assert (found.missing, found.unread) == ("", "")
    assert [kernel.metrics.keys() for kernel in found.kernels] == [set(METRICS)]
    assert found.report is not None
    reader = Reader(ncu=nsight.find_ncu(), sandbox=open_bubblewrap(), folder=scratch)
    table = reader.table(found.report)
    print(f"counters in the report: {[name for name in METRICS if name in table.kernels[0].metrics]}")
    assert [row.kernel for row in table.kernels] == [kernel.kernel for kernel in found.kernels]
    assert hot[0].line == HOT
    assert hot[0].share > 0.5 and hot[0].stall == "long_sb"


def test_the_power_of_its_own_calls_is_measured(cupy_device: CudaDevice, toolchain: NvccToolchain, scratch: Path) -> None:
    """That of a walk that waits for memory lies between a board at rest and its cap; the count of energy says so and not a guess."""
    build = toolchain.build(Candidate(task="chase", source=CHASE, origin=Origin(proposer="test")), TASK)
    plain = replace(chase(build, scratch), mode=Mode.TIME)
    plain = replace(plain, rival=plain)
    timed = replace(plain, timing=TimingPlan(energy=True))
    result = cupy_device.run(timed)
    assert (result.failure, result.detail) == (None, "")
    print(f"\n{result.seconds:.1f} s; {dict(result.conditions)}")
    if "not measured" in result.conditions["power of its own calls"]:
        pytest.fail(result.conditions["power of its own calls"])
    assert 50 < float(result.conditions[OWN_POWER]) < 1000
    without = cupy_device.run(plain)
    print(f"without power {without.seconds:.1f} s")
    assert OWN_POWER not in without.conditions
