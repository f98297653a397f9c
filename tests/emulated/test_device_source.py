"""Rewriting CUDA into C++ for the emulated device, and reading what g++ says; nothing is compiled here."""

from __future__ import annotations

import pytest

from kernelsearch.device.emulated_compare import disagreement
from kernelsearch.model import DType, Expression, Launch, LaunchPlan, Verdict
from kernelsearch.toolchain.emulated import kept_flags
from kernelsearch.toolchain.emulated_errors import explain
from kernelsearch.toolchain.emulated_source import not_rewritten, rewrite, unsupported


@pytest.mark.parametrize(
    ("cuda", "cpp"),
    [
        ("k<<<g, b>>>(x, 1);", "KS_LAUNCH((k), (g), (b), (0), (0), x, 1);"),
        ("k<<<g, b>>>();", "KS_LAUNCH((k), (g), (b), (0), (0));"),
        ("k<float, 4><<<g, {8, 8}, s, st>>>(x);", "KS_LAUNCH((k<float, 4>), (g), (dim3{8, 8}), (s), (st), x);"),
        ("extern __shared__ float buf[];", "KS_DYNAMIC_SHARED(float, buf);"),
        ("extern __shared__ __align__(16) unsigned char buf[];", "KS_DYNAMIC_SHARED(unsigned char, buf);"),
        ("__shared__ alignas(16) float t[64];", "__shared__ __align__(16) float t[64];"),
        ("__shared__ float t[64];", "__shared__ float t[64];"),
    ],
)
def test_words_that_cpp_lacks_are_replaced(cuda: str, cpp: str):
    assert rewrite(f"void f() {{ {cuda} }}\n", None) == f"void f() {{ {cpp} }}\n"


def test_line_numbers_stay():
    text = "void f() {\n  k<<<dim3(1,\n      2),\n      3>>>(x,\n   y);\n  here();\n}\n#pragma unroll 4\nthere\n"
    lines = rewrite(text, None).split("\n")
    assert len(lines) == len(text.split("\n"))
    assert lines[5] == "  here();"
    assert lines[7] == "#pragma GCC unroll 4"


def test_a_plans_kernels_are_exported_after_the_source():
    one = Expression("1")
    plan = LaunchPlan(launches=(Launch(kernel="k", grid=(one, one, one), block=(one, one, one)),) * 2)
    text = rewrite("__global__ void k() {}\n", plan)
    assert text.startswith("__global__ void k() {}\n")
    assert text.count("KS_EMU_EXPORT(k)") == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('int x;\nasm("nop;");', 2),
        ("asm volatile (\n", 1),
        ('"asm(" // asm(\n/* asm(\n*/ texture<float> t;', 3),
        ("__global__ void __cluster_dims__(2) k() {}", 1),
    ],
)
def test_constructs_without_emulation_are_found_with_their_line(text: str, line: int):
    found = unsupported(text)
    assert found is not None
    assert found.line == line


def test_comments_strings_and_similar_names_are_no_constructs():
    assert unsupported('// asm(\n/* texture<x> */ const char* s = "asm("; int plasma(int); plasma(1);') is None


def test_a_launch_that_the_syntax_tree_does_not_see_is_found_afterwards():
    text = rewrite("// k<<<1, 1>>>();\n#define GO k<<<1, 1>>>()\nvoid f() { k<<<1, 1>>>(); }\n", None)
    found = not_rewritten(text)
    assert found is not None
    assert found.line == 2
    assert not_rewritten(rewrite("void f() { k<<<1, 1>>>(); }\n", None)) is None


ERROR = "candidate.cu: In function 'void f()':\ncandidate.cu:7:3: error: {}\n"


def test_a_marked_construct_is_unsupported():
    verdict, log = explain(ERROR.format("static assertion failed: kernelsearch-unsupported: wmma"), accepted_by_nvcc=False)
    assert verdict is Verdict.UNSUPPORTED
    assert log.startswith("line 7: the emulated device does not know wmma\n")


def test_a_marked_header_is_named_with_the_line_that_includes_it():
    log = "In file included from candidate.cu:3:\n/x/mma.h:5:2: error: #error kernelsearch-unsupported: <mma.h>\n"
    verdict, told = explain(log, accepted_by_nvcc=False)
    assert (verdict, told.split(":")[0]) == (Verdict.UNSUPPORTED, "line 3")


def test_what_nvcc_accepted_is_never_the_candidates_mistake():
    assert explain(ERROR.format("expected ';'"), accepted_by_nvcc=True)[0] is Verdict.UNSUPPORTED
    assert explain(ERROR.format("expected ';'"), accepted_by_nvcc=False)[0] is Verdict.BUILD_FAILED


def test_only_names_of_cuda_are_taken_for_missing_without_nvcc():
    assert explain(ERROR.format("‘__dp4a’ was not declared in this scope"), accepted_by_nvcc=False)[0] is Verdict.UNSUPPORTED
    assert explain(ERROR.format("‘total’ was not declared in this scope"), accepted_by_nvcc=False)[0] is Verdict.BUILD_FAILED
    assert explain(ERROR.format("mma.h: No such file or directory"), accepted_by_nvcc=False)[0] is Verdict.UNSUPPORTED


def test_definitions_are_kept_of_the_flags():
    flags = ("-O3", "-DN=4", "-D", "M=2", "--use_fast_math", "-I/etc", "-include", "x.h", "--std=c++20", "-Xptxas", "-v")
    assert kept_flags(flags) == ("-DN=4", "-DM=2")


def test_runs_disagree_by_value_and_not_by_rounding():
    import numpy as np

    base = np.linspace(1, 2, 100, dtype=np.float32)
    near, far, hole = base * np.float32(1 + 1e-6), base.copy(), base.copy()
    far[41] += 0.5
    hole[3] = np.nan
    assert disagreement(DType.F32, base.tobytes(), near.tobytes()) is None
    assert disagreement(DType.F32, base.tobytes(), far.tobytes())[0] == 41
    assert disagreement(DType.F32, base.tobytes(), hole.tobytes())[0] == 3
    assert disagreement(DType.F32, hole.tobytes(), hole.tobytes()) is None
    assert disagreement(DType.I32, b"\1\0\0\0\2\0\0\0", b"\1\0\0\0\3\0\0\0") == (1, "2 and 3")
    assert disagreement(DType.BF16, b"\x80\x3f", b"\x81\x3f") is None  # 1 and the next value after it
    assert disagreement(DType.BF16, b"\x80\x3f", b"\x00\x40") == (0, "1 and 2")
