"""The guard on Python modules: what kernels have no use for, under whatever name, and the CUDA in their strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsearch.guard import check_python, suspicious
from kernelsearch.model import Arg, ArgKind, Case, DType, Expression, Form, Policy, Task

HONEST = '''\
"""A softmax of our own; a docstring may say ctypes, exec() and torch.mm."""
import math
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cuda_source = """
#include <torch/extension.h>
#include <c10/cuda/CUDAStream.h>

__global__ void softmax(const float* x, float* y, int n) {
  extern __shared__ float row[];
  y[threadIdx.x] = x[threadIdx.x];
}

torch::Tensor softmax_cuda(torch::Tensor x) {
  auto y = torch::empty_like(x);
  softmax<<<x.size(0), 256, 1024, c10::cuda::getCurrentCUDAStream()>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
"""
cpp_source = "torch::Tensor softmax_cuda(torch::Tensor x);"
module = load_inline(
    name="softmax",
    cpp_sources=cpp_source,
    cuda_sources=[cuda_source],
    functions=["softmax_cuda"],
    extra_cuda_cflags=["-O3", "-arch=sm_90a", "--expt-relaxed-constexpr"],
    extra_cflags=["-O3"],
    extra_ldflags=None,
    verbose=False,
)


class ModelNew(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features) / math.sqrt(features))
        self.linear = nn.Linear(features, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous().view(x.shape[0], -1)
        out = torch.empty_like(x)
        return module.softmax_cuda(x + 0)
'''


def task(dtype=DType.F32, **policy):
    args = (Arg(name="y", kind=ArgKind.OUTPUT, dtype=dtype, shape=(Expression("n"),)),)
    cases = (Case(name="a", sizes={"n": 1}, timed=True),)
    return Task(name="t", form=Form.LAUNCHER, entry="solve", args=args, cases=cases, baseline="", policy=Policy(**policy))


def rules(source, on=None):
    return [(finding.rule, finding.line, finding.forbidden) for finding in check_python(source, on or task())]


def test_an_honest_module_passes_without_a_word():
    assert check_python(HONEST, task()) == ()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("import ctypes", "reaches beyond the module"),
        ("from gc import get_objects", "reaches beyond the module"),
        ("import inspect as i", "reaches beyond the module"),
        ("import threading", "reaches beyond the module"),
        ("import subprocess", "reaches beyond the module"),
        ("import pickle", "reaches beyond the module"),
        ("import os; os.system('id')", "reaches beyond the module"),
        ("import os; run = os.fork; run()", "reaches beyond the module"),
        ("import sys; sys._getframe(1)", "reaches beyond the module"),
        ("import sys as s; s.modules['__main__']", "reaches beyond the module"),
        ("def f(): pass\nf.__globals__", "reaches beyond the module"),
        ("x = (1).__class__.__base__.__subclasses__()", "reaches beyond the module"),
        ("exec('x = 1')", "reaches beyond the module"),
        ("__import__('os')", "reaches beyond the module"),
        ("import torch; torch.load('x')", "reaches beyond the module"),
        ("import torch; torch.cuda.synchronize = lambda: None", "changes a module"),
        ("import torch as t; t.cuda.Event.elapsed_time = f", "changes a module"),
        ("from torch import cuda; setattr(cuda, 'synchronize', None)", "changes a module"),
        ("import torch; torch.allclose = lambda *a: True", "changes a module"),
        ("import time; time.perf_counter = lambda: 0", "changes a module"),
        ("import torch; del torch.mm", "changes a module"),
        ("import torch; torch.backends.cuda.matmul.allow_tf32 = True", "fast math"),
        ("from torch.backends import cudnn; cudnn.allow_tf32 = True", "fast math"),
        ("import torch; torch.set_float32_matmul_precision('high')", "fast math"),
        ("import torch\nwith torch.autocast('cuda'): pass", "fast math"),
        ("import torch; y = torch.mm(a, b)", "library"),
        ("from torch import matmul as f; y = f(a, b)", "library"),
        ("import torch.nn.functional as F; y = F.softmax(x)", "library"),
        ("import torch; getattr(torch, 'mm')(a, b)", "library"),
        ("import torch; f = torch.compile(g)", "library"),
        ("import torch; torch.ops.aten.mm(a, b)", "library"),
        ("import torch; torch.Tensor.matmul(a, b)", "library"),
        ("import torch\nclass Lazy(torch.Tensor): pass", "defers its output"),
        ("class Lazy:\n    def __torch_function__(self): pass", "defers its output"),
    ],
)
def test_what_is_forbidden_outright(line, rule):
    assert (rule, True) in [(found, forbidden) for found, _, forbidden in rules(line)]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("import os", "unusual import"),
        ("import torch; s = torch.cuda.Stream()", "uses a stream of its own"),
        ("import torch; g = torch.cuda.CUDAGraph()", "uses a stream of its own"),
        ("import torch; e = torch.cuda.Event()", "touches the timing"),
        ("import torch; torch.backends.cudnn.benchmark = True", "switches torch"),
        ("import torch; torch.initial_seed()", "replays seeds"),
        ("try:\n    y = f(x)\nexcept Exception:\n    y = g(x)", "falls back"),
        ("class M:\n    def forward(self, x):\n        self.kept = x", "keeps state"),
        ("if id(x) in kept: pass", "keeps state"),
        ("y = x @ w", "calls torch"),
        ("y = x.matmul(w)", "calls torch"),
        ("a = x\ny = a.softmax(0)", "calls torch"),
        ("import torch; y = x.to(torch.float16)", "lowers precision"),
        ("y = x.half()", "lowers precision"),
        ("from torch import nn\nclass M:\n def __init__(s): s.l = nn.Linear(1, 1)\n def forward(s, x): s.l(x)", "calls a layer"),
        ("f(globals())", "hides names"),
        ("open('/tmp/x')", "uses files or the environment"),
        ("x.register_forward_hook(f)", "defers its output"),
        ("class M:\n    def __del__(self): pass", "defers its output"),
        ("def f(:", "hides its source"),
    ],
)  # fmt: skip
def test_what_is_suspicious_asks_for_strictness_and_does_not_reject(line, rule):
    found = check_python(line, task())
    assert rule in [finding.rule for finding in found]
    assert not any(finding.forbidden for finding in found)
    assert suspicious(found)


def test_a_task_allows_torch_and_less_precision():
    assert rules("import torch; y = torch.mm(a, b) + a.softmax(0) @ b", task(libraries=("torch",))) == []
    assert rules("import torch; torch.backends.cuda.matmul.allow_tf32 = True", task(fast_math=True)) == [("switches torch", 1, False)]
    assert rules("import torch; y = torch.empty(2, dtype=torch.float16)", task(DType.F16)) == []


def test_cuda_in_strings_is_scanned_on_its_own_lines():
    source = 'a = 1\nsource = """\n#include <cublas_v2.h>\n__global__ void k() { clock64(); }\n"""\n'
    source += 'b = "asm volatile(\\"exit;\\");\\nclock();"\n'
    assert rules(source) == [
        ("library", 3, True),
        ("reads a clock", 4, False),
        ("ends threads early", 6, False),
        ("reads a clock", 6, False),
    ]


def test_operators_of_torch_in_cpp_are_a_library():
    source = 'cpp = """torch::Tensor f(torch::Tensor a) { return at::mm(a, torch::softmax(a, 0)) + torch::empty_like(a); }"""'
    assert rules(source) == [("library", 1, True)]
    assert rules(source, task(libraries=("torch",))) == []


def test_an_f_string_is_scanned_too():
    assert rules('source = f"""\n__global__ void k() {{ if ({n} > 1) clock64(); }}"""') == [("reads a clock", 2, False)]


@pytest.mark.parametrize(
    ("arguments", "rule", "forbidden"),
    [
        ("extra_ldflags=['-lcublas']", "compiler flag", True),
        ("extra_cuda_cflags=['--use_fast_math']", "fast math", True),
        ("extra_cuda_cflags=['-include', '/etc/passwd']", "compiler flag", True),
        ("extra_cflags=['-fplugin=x.so']", "compiler flag", True),
        ("extra_include_paths=['/']", "compiler flag", True),
        ("build_directory='/tmp'", "compiler flag", True),
        ("**options", "compiler flag", True),
        ("cuda_sources=decode(x)", "hides its source", False),
        ("extra_cuda_cflags=flags()", "hides its source", False),
        ("cuda_sources='a'.join(x)", "hides its source", False),
    ],
)
def test_load_inline_is_held_to_what_can_be_read(arguments, rule, forbidden):
    source = f"from torch.utils import cpp_extension\nm = cpp_extension.load_inline('m', {arguments})"
    assert (rule, 2, forbidden) in rules(source)


def test_sources_by_name_and_in_pieces_are_written_out():
    source = "from torch.utils.cpp_extension import load_inline\na = 'int x;'\nload_inline(name='m', cpp_sources=[a + 'int y;'])"
    assert rules(source) == []


def test_flags_and_libraries_that_the_task_allows():
    source = (
        "from torch.utils.cpp_extension import load_inline\nload_inline(extra_ldflags=['-lcublas'], extra_cuda_cflags=['-use_fast_math'])"
    )
    assert rules(source, task(fast_math=True, libraries=("cublas",))) == []


@given(st.text(max_size=200))
def test_any_text_is_judged(text):
    check_python(text, task())


WORDS = [
    "import ",
    "torch",
    ".",
    "cuda",
    "\n",
    "    ",
    "class ",
    "(",
    ")",
    ":",
    "=",
    "def ",
    "f",
    '"',
    "#include <",
    "@",
    "lambda",
    "getattr",
    ",",
]


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_almost_python_is_judged(words):
    check_python("".join(words), task())


@pytest.mark.parametrize(
    "source", ["(" * 5000 + ")" * 5000, "-" * 20000 + "1", "x = " + "[" * 300 + "]" * 300, "a" + ".a" * 20000, "\x00", "\ud800"]
)
def test_deep_and_broken_text_is_a_finding_or_nothing(source):
    assert all(finding.rule in ("hides its source", "nesting") for finding in check_python(source, task()))


def test_depth_does_not_blind_it():
    assert ("nesting", None, True) in rules("import torch\ntorch.mm(a, b)\nx = a" + ".a" * 20000)
