"""Names that belong to the harness: a candidate may not take them, and what is built from its source may."""

import pytest

from kernelsearch import catalog, digest, guard, source
from kernelsearch.model import Candidate, Finding, Form, Origin, Task
from kernelsearch.toolchain.emulated_source import rewrite

RULE = "takes a reserved name"
TAKEN = {
    "a kernel": "__global__ void ks_prepare(float* x) { x[0] = 1.0f; }",
    "with bounds": "__global__ void __launch_bounds__(256, 2)\nks_inspect (float* x) { x[0] = 1.0f; }",
    "a template": "template <int N> __global__ void ks_k(float* x) { x[N] = 1.0f; }",
    "a function that it calls": "__device__ float ks_sum(float a, float b) { return a + b; }",
    "behind a macro": "#define KERNEL __global__\nKERNEL void ks_k(float* x) { x[0] = 1.0f; }",
    "by way of a macro": "#define NAME ks_prepare\n__global__ void NAME(float* x) { x[0] = 1.0f; }",
    "in a space of that name": "namespace ks_mine { __global__ void k(float* x) { x[0] = 1.0f; } }",
    "a member": "struct ks_tile { __device__ void load(float* x) { x[0] = 1.0f; } };",
    "launched": "void solve(float* x) { ks_k<<<1, 1>>>(x); }",
}
FREE = {
    "a variable": "__global__ void k(float* x, int n) { int ks_begin = n / 2, ks_end = n; if (ks_begin < ks_end) x[ks_begin] = 1.0f; }",
    "a longer name": "__global__ void blocks_sum(float* x) { x[0] = tasks_of(x); }",
    "a comment": "// ks_prepare(x) is the harness's own\n__global__ void k(float* x) { x[0] = 1.0f; }",
    "a string": '__global__ void k(float* x) { printf("ks_k(%f)", x[0]); }',
}


def found(text: str, task: Task, rule: str = RULE) -> list[Finding]:
    candidate = Candidate(task="t", source=text, flags=(), origin=Origin(proposer="test"))
    return [finding for finding in guard.check(candidate, task) if finding.rule == rule]


@pytest.mark.parametrize("name", ["core/gelu", "core/box_blur"])
@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_a_name_of_the_harness_is_rejected(text: str, name: str) -> None:
    findings = found(text, catalog.task(name))
    assert findings and all(finding.forbidden for finding in findings)


@pytest.mark.parametrize("flag", ["-DNAME=ks_prepare", "-Dks_prepare=k"])
def test_no_flag_gives_such_a_name(flag: str) -> None:
    candidate = Candidate(task="t", source="__global__ void NAME(float* x) {}", flags=(flag,), origin=Origin(proposer="test"))
    assert any(finding.forbidden for finding in guard.check(candidate, catalog.task("core/gelu")))


@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_other_names_are_not(text: str) -> None:
    assert not found(text, catalog.task("core/gelu"))


REACHES = {
    "the channel": 'int channel() { return atoi(getenv("KS_CHANNEL")); }',
    "the interpreter": 'void run() { dlsym(RTLD_DEFAULT, "PyRun_SimpleString"); }',
}
NOT_REACHES = {
    "a word like it": 'void say() { printf("PyTorch is faster, PyRun too"); }',
    "a comment": '// getenv("KS_CHANNEL") is the harness\'s own\nvoid say() {}',
}


@pytest.mark.parametrize("text", REACHES.values(), ids=REACHES)
def test_what_belongs_to_the_process_around_a_candidate_is_not_to_be_named(text: str) -> None:
    findings = found(text, catalog.task("core/gelu"), "reaches for the harness")
    assert findings and all(finding.forbidden for finding in findings)


@pytest.mark.parametrize("text", NOT_REACHES.values(), ids=NOT_REACHES)
def test_talk_of_it_is_free(text: str) -> None:
    assert not found(text, catalog.task("core/gelu"), "reaches for the harness")


def test_names_that_the_emulation_adds_are_added_behind_the_guard() -> None:
    task = catalog.task("core/box_blur")
    assert task.form is Form.KERNELS
    candidate = digest.baseline(task)
    built = rewrite(candidate.source, source.launch_plan(candidate.source))
    assert "ks_signature_box_blur(" in built and found(built, task)
    assert not found(candidate.source, task)
