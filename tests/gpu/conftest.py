"""The real devices, each once a session, and a small compiler for the tests' own kernels."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelsearch import paths
from kernelsearch.device import inventory
from kernelsearch.device.base import Device
from kernelsearch.device.cuda import CudaDevice
from kernelsearch.model import Build, Hardware, LaunchPlan
from kernelsearch.sandbox.bubblewrap import open_bubblewrap
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.nvcc import NvccToolchain

# The device hands it on and never reads it.
HARDWARE = Hardware(
    name="under test",
    arch="sm_90",
    sm_count=1,
    clock_hz=1e9,
    dram_bytes_per_s=1e12,
    dram_latency_us=0.5,
    l2_bytes=1 << 20,
    l2_bytes_per_s=1e12,
    shared_bytes_per_sm=1 << 17,
    shared_bytes_per_block=1 << 16,
    registers_per_sm=1 << 16,
    threads_per_sm=2048,
    blocks_per_sm=32,
    fp32_flops=1e13,
    fp64_flops=1e12,
)

Compile = Callable[..., Build]


@pytest.fixture(scope="session")
def gpu() -> inventory.GpuInfo:
    gpus = inventory.detect()
    if not gpus:
        pytest.skip("no NVIDIA GPU on this machine")
    return gpus[0]


@pytest.fixture(scope="session")
def support(gpu: inventory.GpuInfo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's own code for this GPU."""
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc on this machine")
    toolchain = NvccToolchain(sandbox=open_bubblewrap(), cache=tmp_path_factory.mktemp("cache"), nvcc=nvcc, arch=gpu.arch)
    return toolchain.cubin(paths.data("sandbox") / "runner" / "support.cu")


@pytest.fixture(scope="session", params=["cupy", "pycuda"])
def device(
    request: pytest.FixtureRequest, gpu: inventory.GpuInfo, support: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Device]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    scratch = tmp_path_factory.mktemp("boxes")
    opened = CudaDevice(
        sandbox=open_bubblewrap(),
        scratch=scratch,
        hardware=HARDWARE,
        ordinal=gpu.ordinal,
        backend=request.param,
        support=support,
    )
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def compiled(gpu: inventory.GpuInfo, tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """`compiled(source, plan)` builds a cubin for a plan and a shared object without one; the same source is built once."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc on PATH")
    folder = tmp_path_factory.mktemp("builds")
    made: dict[tuple[str, bool], Path] = {}

    def build(source: str, plan: LaunchPlan | None = None) -> Build:
        key = (source, plan is None)
        if key not in made:
            stem = folder / f"k{len(made)}"
            stem.with_suffix(".cu").write_text(source)
            made[key] = stem.with_suffix(".so" if plan is None else ".cubin")
            form = ["-shared", "-Xcompiler", "-fPIC"] if plan is None else ["-cubin"]
            command = [nvcc, "-O3", f"-arch={gpu.arch}", *form, "-o", str(made[key]), str(stem.with_suffix(".cu"))]
            subprocess.run(command, check=True, capture_output=True, text=True)
        return Build(ok=True, toolchain="nvcc", artifact=str(made[key]), plan=plan)

    return build


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder on the file system that the product uses for contents."""
    assert paths.scratch_root().is_dir()
    return tmp_path
