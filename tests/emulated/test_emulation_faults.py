"""What is wrong with a kernel is found, and said with kernel, block, thread and line."""

import ctypes

import numpy as np
import pytest
from emulation_library import KERNELS, build_library, compile_candidate, readonly


@pytest.fixture(scope="module")
def faulty():
    return build_library("faulty")


def floats(n):
    return np.zeros(n, np.float32)


def expect(library, kind, *words):
    assert library.error is not None
    assert library.error["kind"] == kind
    for word in words:
        assert word in library.error["message"]


def source_line(library):
    number = library.error["line"] or library.line_of(library.error["pc"])
    return (KERNELS / "faulty.cu").read_text().splitlines()[number - 1]


def test_read_past_the_end(faulty):
    faulty.launch("read_past_end", 1, 64, readonly(floats(33)), floats(33), 33)
    expect(faulty, "out-of-bounds", "kernel read_past_end, block (0,0,0), thread (33,0,0): reads 4 bytes", "past the end of a0 (132 bytes)")
    assert faulty.error["thread"] == [33, 0, 0]
    assert "in[i]" in source_line(faulty)


def test_write_before_the_start(faulty):
    faulty.launch("write_before_start", 1, 32, floats(32))
    expect(faulty, "out-of-bounds", "writes 4 bytes 4 bytes before the start of a0")


def test_write_to_an_input(faulty):
    a = readonly(np.ones(32, np.float32))
    faulty.launch("write_input", 1, 32, a, floats(32))
    expect(faulty, "readonly", "writes 4 bytes at offset 0 of a0 (128 bytes), an input")
    assert "const_cast" in source_line(faulty)


def test_a_fault_is_told_where_the_candidate_has_the_same_templates_as_the_runtime():
    library = build_library("host_text")
    library.launch("write_input", 1, 32, readonly(np.ones(32, np.float32)), floats(32))
    expect(library, "readonly", "kernel write_input, block (0,0,0), thread (0,0,0): writes 4 bytes at offset 0 of a0 (128 bytes), an input")


def test_misaligned_vector_access(faulty):
    faulty.launch("misaligned", 1, 1, readonly(floats(32)), floats(32))
    expect(faulty, "misaligned", "reads 16 bytes at an address that is not a multiple of 16", "offset 4 of a0")
    assert "in + 1" in source_line(faulty)


def test_beyond_shared_memory(faulty):
    faulty.launch("past_dynamic", 1, 32, floats(32), 32, shared=128)
    expect(faulty, "out-of-bounds", "at offset 128, past the end of the block's 128 bytes of dynamic shared memory")
    faulty.launch("past_static", 1, 32, floats(32), 1000)
    expect(faulty, "out-of-bounds", "past the end of the block's static shared memory")


def test_null_pointer(faulty):
    faulty.launch("null_pointer", 1, 1, floats(1))
    expect(faulty, "out-of-bounds", "at 0, which is in no allocation")


def test_barrier_that_some_threads_skip(faulty):
    faulty.launch("skipped_barrier", 1, 64, floats(64))
    expect(faulty, "divergent-barrier", "40 threads of the block wait at __syncthreads", "24 threads have ended")
    assert "__syncthreads" in source_line(faulty)


def test_barriers_on_two_lines(faulty):
    faulty.launch("two_barriers", 1, 64, floats(64))
    expect(faulty, "divergent-barrier", "while other threads wait at the one in line")


def test_shuffle_whose_partner_never_comes(faulty):
    faulty.launch("shuffle_without_partner", 1, 32, floats(32))
    expect(faulty, "deadlock", "16 threads of the block wait at __syncthreads", "while others wait at a warp collective")


def test_mask_without_the_calling_lane(faulty):
    faulty.launch("foreign_mask", 1, 2, np.zeros(2, np.int32))
    expect(faulty, "divergent-barrier", "mask that does not name its own lane")


def test_missing_barrier_shows_between_two_orders(faulty):
    a = readonly(np.arange(64, dtype=np.float32))
    outputs = []
    for seed in (0, 1):
        out = floats(64)
        faulty.launch("missing_barrier", 1, 64, a, out, seed=seed)
        assert faulty.error is None
        outputs.append(out)
    assert not np.array_equal(*outputs, equal_nan=True)


def test_uninitialised_shared_memory_is_not_zero(faulty):
    outputs = []
    for seed in (0, 1):
        out = floats(64)
        faulty.launch("uninitialised", 1, 64, out, 1, seed=seed)
        outputs.append(out)
    assert np.isnan(outputs[0]).all()
    assert (outputs[1] != 0).all()


def test_traps(faulty):
    faulty.launch("divide", 1, 1, np.zeros(1, np.int32), 0)
    expect(faulty, "trap", "divides an integer by zero")
    faulty.launch("failed_assert", 1, 8, np.zeros(8, np.int32))
    expect(faulty, "trap", "thread (3,0,0)", "a failed assert: threadIdx.x < 3")
    assert "assert" in source_line(faulty)
    faulty.launch("deep_recursion", 1, 1, np.zeros(1, np.int32), 1000)
    expect(faulty, "trap", "overflows its stack")


def test_dynamic_parallelism_is_unsupported(faulty):
    faulty.launch("parent", 1, 1)
    expect(faulty, "unsupported", "launches a kernel from a kernel")


@pytest.mark.parametrize(
    ("grid", "block", "shared", "word"),
    [
        (1, 1025, 0, "beyond 1024"),
        (1, (1, 1, 65), 0, "64 in z"),
        (0, 32, 0, "is empty"),
        ((1, 65536), 32, 0, "65535"),
        (1, 32, 232449, "beyond the 232448 of a block"),
    ],
)
def test_launch_limits(faulty, grid, block, shared, word):
    faulty.launch("idle", grid, block, shared=shared)
    expect(faulty, "launch", "kernel idle is not launched", word)


def test_more_than_48_kb_of_shared_memory_needs_the_attribute(faulty):
    faulty.configure()
    assert faulty.c.launch_with(32, 49153, 0) == 9
    faulty.read_report()
    expect(faulty, "launch", "beyond 49152 without cudaFuncSetAttribute")
    assert faulty.c.launch_with(32, 0, 0) == 9  # the first error stays
    faulty.configure()
    assert faulty.c.launch_with(32, 100_000, 100_000) == 0


@pytest.mark.parametrize(("entry", "word"), [("use_after_free", "after it was freed"), ("pass_host_pointer", "which is in no allocation")])
def test_pointers_that_are_not_to_device_memory(faulty, entry, word):
    faulty.configure()
    assert faulty.c[entry]() == 700
    faulty.read_report()
    expect(faulty, "out-of-bounds", "kernel set, block (0,0,0), thread (0,0,0): writes 4 bytes", word)
    assert "out[threadIdx.x] = 1" in source_line(faulty)


def test_host_code_may_not_touch_device_memory(faulty):
    faulty.configure()
    faulty.c.dereference.argtypes = (ctypes.c_void_p,)
    faulty.c.dereference(faulty.upload(floats(4), "x"))
    faulty.read_report()
    expect(faulty, "out-of-bounds", "host code reads", "offset 0 of x")


def test_copies_are_checked(faulty):
    faulty.configure()
    faulty.c.copy_into.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
    big, small, fixed = faulty.upload(floats(8), "big"), faulty.upload(floats(4), "small"), faulty.upload(readonly(floats(8)), "fixed")
    assert faulty.c.copy_into(big, small, 16) == 0
    assert faulty.c.copy_into(small, big, 32) == 700
    faulty.read_report()
    expect(faulty, "out-of-bounds", "writes 32 bytes", "past the end of small (16 bytes)")
    faulty.c.ks_emu_configure(0, 0, 1)
    assert faulty.c.copy_into(fixed, big, 8) == 700
    faulty.read_report()
    expect(faulty, "readonly", "fixed")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('__global__ void k() {\n  asm volatile("nanosleep.u32 10;");\n}\n', "inline asm"),
        ("#include <cuda_runtime.h>\n#include <mma.h>\n", "<mma.h>"),
        ("__global__ void k(cudaTextureObject_t t, float* o) {\n  o[0] = tex2D<float>(t, 0.f, 0.f);\n}\n", "tex2D"),
        ("#include <cooperative_groups.h>\n__global__ void k() { cooperative_groups::this_grid().sync(); }\n", "grid_group::sync"),
    ],
)
def test_what_has_no_emulation_is_named(tmp_path, text, name):
    source = tmp_path / "candidate.cu"
    source.write_text(text)
    result = compile_candidate(source, tmp_path / "candidate.o")
    assert result.returncode != 0
    assert f"kernelsearch-unsupported: {name}" in result.stderr
    assert "candidate.cu:2" in result.stderr
