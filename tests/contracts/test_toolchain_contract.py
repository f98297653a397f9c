"""NvccToolchain with the nvcc of this machine: both forms, the compiler's words, symbols, the cache, the walls."""

import ctypes
from pathlib import Path

import pytest

from kernelsearch.errors import ToolMissing
from kernelsearch.model import Arg, ArgKind, Candidate, Case, DType, Expression, Form, KernelResources, Origin, Task, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.sandbox.base import BoxResult
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.toolchain.nvcc import NvccToolchain, target

KERNEL = "__global__ void twice(const float* x, float* y, int n) { __shared__ float s[64]; s[threadIdx.x] = x[threadIdx.x]; __syncthreads(); int i = threadIdx.x; if (i < n) y[i] = 2 * s[63 - i]; }\n"  # noqa: E501
PLAN = "// launch: twice grid=(1) block=(64) args=(x, y, n)\n"
LAUNCHER = KERNEL + 'extern "C" void solve(const float* x, float* y, int n) { twice<<<1, 64>>>(x, y, n); }\n'


def task(form):
    n = Expression("n")
    args = (
        Arg(name="x", kind=ArgKind.INPUT, dtype=DType.F32, shape=(n,)),
        Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(n,)),
        Arg(name="n", kind=ArgKind.SIZE, dtype=DType.I32),
    )
    cases = (Case(name="a", sizes={"n": 64}, timed=True),)
    return Task(name="t", form=form, entry="solve" if form is Form.LAUNCHER else None, args=args, cases=cases, baseline=KERNEL)


def candidate(source, *flags):
    return Candidate(task="t", source=source, flags=flags, origin=Origin(proposer="test"))


@pytest.fixture(scope="module")
def nvcc():
    found = find_nvcc()
    if found is None:
        pytest.skip("no nvcc on this machine; pip install 'kernelsearch[nvcc]'")
    return found


@pytest.fixture(scope="module")
def sandbox():
    try:
        return open_sandbox()
    except ToolMissing as error:
        pytest.skip(f"no namespaces here: {error}")


@pytest.fixture(scope="module")
def toolchain(nvcc, sandbox, tmp_path_factory):
    return NvccToolchain(sandbox=sandbox, cache=tmp_path_factory.mktemp("cache"), nvcc=nvcc, arch="sm_90")


@pytest.fixture(scope="module")
def kernels_build(toolchain):
    return toolchain.build(candidate(PLAN + KERNEL, "-O3"), task(Form.KERNELS))


def test_kernels_become_a_cubin_with_a_plan_of_its_symbols(kernels_build, nvcc):
    assert kernels_build.ok, kernels_build.log
    assert Path(kernels_build.artifact).read_bytes()[:4] == b"\x7fELF"
    assert kernels_build.plan.launches[0].kernel == "_Z5twicePKfPfi"
    assert kernels_build.plan.launches[0].args == ("x", "y", "n")
    assert (kernels_build.toolchain, kernels_build.cached) == (f"nvcc {nvcc.version}", False)
    (kernel,) = kernels_build.resources
    assert isinstance(kernel, KernelResources)
    assert kernel.kernel == "twice" and kernel.shared_bytes == 256 and kernel.registers > 0


def test_sass_is_there_when_the_tools_are(kernels_build, nvcc):
    if nvcc.cuobjdump is None:
        assert kernels_build.sass_digest == "" and kernels_build.instructions == {}
    else:
        assert kernels_build.sass_digest and kernels_build.instructions["EXIT"] >= 1


def test_the_same_again_comes_from_the_cache(toolchain, kernels_build):
    again = toolchain.build(candidate(PLAN + KERNEL, "-O3"), task(Form.KERNELS))
    assert again.cached and again.plan == kernels_build.plan and again.artifact == kernels_build.artifact


def test_a_launcher_becomes_a_shared_object_with_its_entry(toolchain):
    build = toolchain.build(candidate(LAUNCHER), task(Form.LAUNCHER))
    assert build.ok and build.plan is None, build.log
    assert ctypes.CDLL(build.artifact).solve
    assert [kernel.kernel for kernel in build.resources] == ["twice"]


def test_errors_name_the_candidate_and_the_line(toolchain):
    build = toolchain.build(candidate(PLAN + "\n" + KERNEL.replace("2 * s", "2 * missing")), task(Form.KERNELS))
    assert build.failure is Verdict.BUILD_FAILED
    assert build.log.startswith('candidate.cu(3): error: identifier "missing" is undefined')
    assert "/tmp" not in build.log and "/dev/shm" not in build.log
    assert toolchain.build(candidate(PLAN + "\n" + KERNEL.replace("2 * s", "2 * missing")), task(Form.KERNELS)).cached


def test_a_plan_that_names_no_kernel_or_two_is_refused(toolchain):
    none = toolchain.build(candidate(KERNEL), task(Form.KERNELS))
    assert none.failure is Verdict.BUILD_FAILED and "launch plan" in none.log
    overload = "__global__ void twice(double* x) { x[0] = 1; }\n"
    two = toolchain.build(candidate(PLAN + overload + KERNEL), task(Form.KERNELS))
    assert two.failure is Verdict.BUILD_FAILED and "twice" in two.log


def test_the_compiler_cannot_read_what_is_not_listed(toolchain, tmp_path):
    secret = tmp_path / "secret.h"
    secret.write_text("#error the secret is 4711\n")
    build = toolchain.build(candidate(PLAN + f'#include "{secret}"\n' + KERNEL), task(Form.KERNELS))
    assert build.failure is Verdict.BUILD_FAILED
    assert "4711" not in build.log and "No such file" in build.log


def test_a_witness_tells_of_a_launcher_what_a_build_to_run_does(nvcc, sandbox, toolchain, tmp_path):
    witness = NvccToolchain(sandbox=sandbox, cache=tmp_path, nvcc=nvcc, arch="sm_90", witness=True)
    build, told = (chain.build(candidate(LAUNCHER, "-O3"), task(Form.LAUNCHER)) for chain in (toolchain, witness))
    assert told.ok, told.log
    assert (told.resources, told.instructions, told.sass_digest) == (build.resources, build.instructions, build.sass_digest)
    assert told.artifact != build.artifact
    in_host_code = witness.build(candidate(LAUNCHER.replace("twice<<<1, 64>>>", "int z = missing; twice<<<1, 64>>>")), task(Form.LAUNCHER))
    assert in_host_code.failure is Verdict.BUILD_FAILED
    assert '"missing" is undefined' in in_host_code.log


class Slow:
    """A sandbox in which every command takes too long."""

    level = None

    def run(self, box):
        return BoxResult(returncode=-9, stdout="", stderr="", seconds=box.limits.seconds, timed_out=True)


def test_a_compile_without_end_is_a_time_out_and_not_kept(nvcc, tmp_path):
    toolchain = NvccToolchain(sandbox=Slow(), cache=tmp_path / "cache", nvcc=nvcc, arch="sm_90")
    for _ in range(2):
        build = toolchain.build(candidate(PLAN + KERNEL), task(Form.KERNELS))
        assert build.failure is Verdict.TIMED_OUT and not build.cached and "120 s" in build.log


def test_hopper_and_later_get_their_own_instructions():
    assert target("sm_90") == ("-gencode=arch=compute_90a,code=sm_90a",)
    assert target("sm_120") == ("-gencode=arch=compute_120a,code=sm_120a",)
    assert target("sm_80") == ("-gencode=arch=compute_80,code=sm_80",)
    assert target("sm_90a") == ("-gencode=arch=compute_90a,code=sm_90a",)
