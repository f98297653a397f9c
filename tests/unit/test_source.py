"""Reading CUDA source: what is declared and launched, by byte range, on well-formed and on arbitrary text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import source

TEXT = """\
#define T 32 // größe
template <int N, typename S>
__global__ void __launch_bounds__(256, 2) k(const float* __restrict__ a, float *b, int n, const int rows[], float4 const *v) {
  __shared__ float tile[T][T + 1];
  extern __shared__ __align__(16) unsigned char raw[];
  static __shared__ float s1, s2[4];
  b[0] = a[0];
}
__device__ float helper(float x) { return x; }
__host__ __device__ int both(int x) { return x; }
namespace q { extern "C" __global__ static void z(float4 *p) {} }
__global__ void declared_only(int n);
extern "C" void solve(const float *a, float* b, int n) {
  dim3 block(16,16); dim3 grid((n+15)/16, (n+15)/16);
  k<T, float><<<grid, block, /* none */ 0, 0>>>(a, b, both(n), nullptr, nullptr);
  q::z<<<(n+255)/256, 256>>>((float4*)b);
}
extern "C" { int other(void) { return 0; } }
"""


def cut(start: int, end: int) -> str:
    return TEXT.encode()[start:end].decode()


def test_kernels_are_read_with_their_parameters() -> None:
    k, z = source.kernels(TEXT)
    assert (k.name, k.template, k.extern_c, k.launch_bounds, k.line) == ("k", True, False, ("256", "2"), 3)
    assert [(p.name, p.type, p.pointer, p.const, p.restrict) for p in k.parameters] == [
        ("a", "float", True, True, True),
        ("b", "float", True, False, False),
        ("n", "int", False, False, False),
        ("rows", "int", True, True, False),
        ("v", "float4", True, True, False),
    ]
    assert cut(k.start, k.end).startswith("template") and cut(k.start, k.end).endswith("}")
    assert cut(k.body, k.end).startswith("{\n  __shared__")
    assert (z.name, z.extern_c, z.template) == ("z", True, False)


def test_host_functions_exclude_kernels_and_device_functions() -> None:
    found = {f.name: f for f in source.functions(TEXT)}
    assert list(found) == ["both", "solve", "other"]
    assert [f.name for f in source.device_functions(TEXT)] == ["helper", "both"]
    assert found["solve"].extern_c and found["other"].extern_c and not found["both"].extern_c
    assert found["other"].parameters == ()
    assert cut(found["solve"].start, found["solve"].end).startswith('extern "C" void solve')
    assert cut(found["other"].start, found["other"].end) == "int other(void) { return 0; }"


def test_launches_give_configuration_and_range() -> None:
    first, second = source.launches(TEXT)
    assert (first.kernel, first.kernel_name, first.grid, first.block, first.shared, first.stream) == (
        *("k<T, float>", "k", "grid", "block"),
        *("0", "0"),
    )
    assert first.args == ("a", "b", "both(n)", "nullptr", "nullptr")
    assert first.function == "solve"
    assert cut(second.start, second.end) == "q::z<<<(n+255)/256, 256>>>((float4*)b)"
    assert (second.kernel_name, second.shared, second.line) == ("z", None, 16)


def test_shared_arrays() -> None:
    found = [(s.type, s.name, s.dims, s.dynamic) for s in source.shared_arrays(TEXT)]
    assert found == [
        ("float", "tile", ("T", "T + 1"), False),
        ("unsigned char", "raw", ("",), True),
        ("float", "s1", (), False),
        ("float", "s2", ("4",), False),
    ]
    tile = source.shared_arrays(TEXT)[0]
    assert cut(tile.start, tile.end) == "__shared__ float tile[T][T + 1];"


def test_problems_name_the_line() -> None:
    assert source.problems(TEXT) == ()
    assert [p.line for p in source.problems("int a;\nint b = (3;\n")] == [2]


def test_comments_and_strings_hold_no_launches() -> None:
    text = 'void f() { const char *s = "k<<<1, 2>>>(a)"; /* k<<<1, 2>>>(a); */ }'
    assert source.launches(text) == ()


def test_apply_puts_edits_in_place_and_refuses_overlaps() -> None:
    assert source.apply("über a b", [source.Edit(8, 9, "B"), source.Edit(6, 7, "A"), source.Edit(0, 0, "> ")]) == "> über A B"
    with pytest.raises(ValueError, match="overlap"):
        source.apply("abcd", [source.Edit(0, 3, ""), source.Edit(2, 4, "")])


FRAGMENTS = st.sampled_from(
    [
        *("__global__ ", "void ", "k", "(", ")", "{", "}", "float *a", "<<<", ">>>", ",", ";", "__shared__ ", "[3]", "extern ", '"C" '),
        *("template <", ">", "// launch: ", "k grid=(1", ") block=1 args=()", "\n", "é", "\x00", '"', "/*", "*/", "#define X ", "::", "="),
        *("__align__(8)", "[=] __device__ ", "__launch_bounds__(", "// scratch: t f32 [4]", "\\", "'", "\ud800"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=40).map("".join)))
def test_reading_never_raises_and_ranges_lie_in_the_text(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    found = [*source.kernels(text), *source.functions(text), *source.launches(text), *source.shared_arrays(text)]
    assert all(0 <= item.start <= item.end <= size for item in found)
    assert all(1 <= problem.line <= text.count("\n") + 1 for problem in source.problems(text))


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    text = "void f() { x = " + "(" * 5000 + "1" + ")" * 5000 + "; }"
    assert [f.name for f in source.functions(text)] == ["f"]


@settings(max_examples=100, deadline=None)
@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_the_masked_tree_keeps_the_text(text: str) -> None:
    tree = source.parse(text)
    assert tree.slice(0, len(tree.data)) == text
