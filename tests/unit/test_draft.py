"""Drafting a task from a bare source: realistic kernels against golden task files, and against tasks written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernelsearch import catalog, codec, draft
from kernelsearch.draft.polynomial import Polynomial, of_host
from kernelsearch.errors import UsageError
from kernelsearch.model import ArgKind, Form

GOLDEN = Path(__file__).parent.parent / "golden" / "draft"
KERNELS = sorted(path.stem for path in GOLDEN.glob("*.cu"))
ASKED = {
    "bare_kernel": ["how the kernel is launched"],
    "spmv": ["the contents of row_ptr"],
    "unknown_type": ["argument p", "no output"],
}


def drafted(name: str) -> draft.Draft:
    return draft.draft((GOLDEN / f"{name}.cu").read_text(), f"{name}.cu", elements=1 << 20)


@pytest.mark.parametrize("name", KERNELS)
def test_the_drafted_file_is_the_golden_one(name: str) -> None:
    assert drafted(name).toml == (GOLDEN / f"{name}.toml").read_text()


@pytest.mark.parametrize("name", KERNELS)
def test_there_is_a_task_unless_something_is_asked(name: str) -> None:
    found = drafted(name)
    assert (found.task is None) == bool(found.questions)
    wanted = ASKED.get(name, [])
    assert len(found.questions) == len(wanted)
    assert all(question.startswith(("the " + start, start)) for question, start in zip(found.questions, wanted, strict=True))
    if found.task is not None:
        assert found.task.baseline == found.source
        assert (*found.task.assumptions, "reference = the baseline's own output") == found.assumptions
        assert len(found.task.timed_cases) == 1 and len(found.task.cases) >= 2


# CSR needs inputs that only a person can describe.
@pytest.mark.parametrize("name", [name for name in catalog.names() if name.startswith("core/") and name != "core/spmv_csr"])
def test_the_draft_agrees_with_the_task_written_by_hand(name: str) -> None:
    task = catalog.task(name)
    found = draft.draft(task.baseline, "baseline.cu", elements=1 << 20).task
    assert found is not None
    assert (found.form, found.entry) == (task.form, task.entry)
    tensors = [arg for arg in task.args if arg.is_tensor]
    assert [(a.name, a.kind, a.dtype) for a in found.args if a.is_tensor] == [(a.name, a.kind, a.dtype) for a in tensors]
    for case in task.cases:
        for arg in tensors:
            assert found.shape(found.arg(arg.name), case) == task.shape(arg, case), f"{arg.name} in {case.name}"


def test_sizes_grow_with_the_wanted_elements_and_shrink_with_the_arithmetic() -> None:
    text = (GOLDEN / "matmul_alpha_beta.cu").read_text()
    small, large = (draft.draft(text, "m.cu", elements=count).task for count in (1 << 20, 1 << 25))
    assert small is not None and large is not None
    assert small.timed_cases[0].sizes["M"] == 256
    assert large.timed_cases[0].sizes["M"] == 2048


def test_the_missing_shape_is_named_and_the_file_says_where() -> None:
    text = (
        "__global__ void k(const float* a, float* b, int n, int m) { b[threadIdx.x] = a[hidden(n)]; }\n"
        'extern "C" void solve(const float* a, float* b, int n, int m) { k<<<1, 32>>>(a, b, n, m); }\n'
    )
    found = draft.draft(text, "k.cu", elements=1024)
    assert found.task is None
    assert found.questions == ("the shape of a: its indices do not tell",)
    assert '{ name = "a", kind = "input", dtype = "f32", shape = [] },  # FILL IN' in found.toml
    with pytest.raises(UsageError, match=r"args\[0\].*'a' needs a shape"):
        codec.task_from_toml(found.toml, where="k.task.toml", read=lambda _: text)


def test_vector_types_are_their_elements_with_one_dimension_more() -> None:
    text = (
        "__global__ void k(const float4* a, __half2* b, int n) { int i = threadIdx.x; if (i < n) b[i] = f(a[i]); }\n"
        'extern "C" void solve(const float4* a, __half2* b, int n) { k<<<1, 32>>>(a, b, n); }\n'
    )
    task = draft.draft(text, "k.cu", elements=1024).task
    assert task is not None
    assert [(arg.dtype.value, list(map(str, arg.shape))) for arg in task.args[:2]] == [("f32", ["n", "4"]), ("f16", ["n", "2"])]
    assert task.cost.bytes is not None and str(task.cost.bytes) == "20 * n"


def test_a_vector_passed_by_value_is_asked_for() -> None:
    text = 'extern "C" __global__ void k(float* a, float4 v, int n) { if (threadIdx.x < n) a[threadIdx.x] = v.x; }'
    assert draft.draft(text, "k.cu", elements=1024).questions[0].startswith("argument v: what `float4 v` is")


@pytest.mark.parametrize(
    ("taken", "drawn"),
    [
        ("rsqrtf(v[i] + 1e-5f)", ["positive", "lognormal"]),
        ("logf(v[i])", ["positive", "lognormal"]),
        ("sqrtf(v[i] * v[i])", ["normal", "integers"]),
        ("expf(v[i])", ["normal", "integers"]),
    ],
)
def test_roots_and_logarithms_get_positive_inputs(taken: str, drawn: list[str]) -> None:
    text = (
        f"__global__ void k(const float* v, float* y, int n) {{ int i = threadIdx.x; if (i < n) y[i] = {taken}; }}\n"
        'extern "C" void solve(const float* v, float* y, int n) { k<<<1, 32>>>(v, y, n); }\n'
    )
    found = draft.draft(text, "k.cu", elements=1024)
    assert found.task is not None
    assert [distribution.value for distribution in found.task.distributions] == drawn
    assert any(text.startswith("inputs are positive") for text in found.assumptions) == (drawn[0] == "positive")


def test_an_open_shape_may_be_over_all_sizes() -> None:
    text = (
        "__global__ void k(const float* a, float* b, int n, int m) { b[threadIdx.x] = a[hidden(n)]; }\n"
        'extern "C" void solve(const float* a, float* b, int n, int m) { k<<<1, 32>>>(a, b, n, m); }\n'
    )
    assert "sizes n=1024, m=1024" in draft.draft(text, "k.cu", elements=1 << 20).assumptions


def test_a_plan_is_drafted_for_a_bare_kernel() -> None:
    found = drafted("bare_kernel")
    assert found.source.startswith("// launch: relu grid=(cdiv(n, 256)) block=(256) args=(x, y, n)\n__global__")
    task = codec.task_from_toml(found.toml, where="t", read=lambda _: found.source)
    assert task.form is Form.KERNELS
    assert task.arg("y").kind is ArgKind.OUTPUT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("int main() { return 0; }", "no kernel"),
        ("__global__ void k(float* a) {} void go(float* a) { k<<<1, 1>>>(a); }", 'launched by go.*in an extern "C" function'),
        ("// launch: k grid=1\n__global__ void k(float* a) {}", "line 1: .*lacks block"),
    ],
)
def test_a_source_without_an_entry_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        draft.draft(text, "x.cu", elements=1024)


@settings(max_examples=60, deadline=None)
@example("batched_matmul", 148, 12, "a[")
@example("spmv", 393, 1, "(")
@given(st.sampled_from(KERNELS), st.integers(0, 1500), st.integers(1, 60), st.sampled_from(["", "(", "}", "a[", " x ", "é"]))
def test_damaged_sources_are_drafted_or_refused(name: str, start: int, length: int, put: str) -> None:
    text = (GOLDEN / f"{name}.cu").read_text()
    damaged = text[:start] + put + text[start + length :]
    try:
        found = draft.draft(damaged, "x.cu", elements=1024)
    except UsageError:
        return
    assert (found.task is None) == bool(found.questions)


NUMBERS = st.integers(-9, 9)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_polynomials_compute_like_the_expression(a: int, b: int, c: int) -> None:
    value = of_host(f"(x + {abs(a)}) * (y - {abs(b)}) + x * {abs(c)}")
    assert value.value({"x": 7, "y": 11}) == (7 + abs(a)) * (11 - abs(b)) + 7 * abs(c)
    assert of_host("0 + " + value.text(["x", "y"]).replace("-", "- ")) == value
    product = value * Polynomial.name("z")
    assert product.over(Polynomial.name("z")) == value
