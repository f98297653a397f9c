"""KernelBench's problems as tasks: what is read from them, their exact outputs, what is refused, and kernels written back as ModelNew."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch_problems as problems

from kernelsearch import oracle
from kernelsearch.errors import UsageError
from kernelsearch.formats import kernelbench
from kernelsearch.formats.kernelbench import pyproblem
from kernelsearch.model import Arg, ArgKind, Candidate, Distribution, DType, Form, Origin, Task

torch = pytest.importorskip("torch", reason="reading a PyTorch problem needs torch (pip install kernelsearch[torch])")


@pytest.fixture(scope="module", autouse=True)
def end_of_the_trusted_process():
    yield
    oracle.close()


def load(source: str, folder: Path, **options) -> Task:
    file = folder / "7_Problem_.py"
    file.write_text(source)
    return kernelbench.load(file, **options)


def drawn(task: Task, seed: int = 0) -> dict[str, np.ndarray]:
    """Contents as the verifier would make them, from the task alone."""
    rng = np.random.default_rng(seed)
    return {arg.name: _drawn(arg, task.shape(arg, task.cases[0]), rng) for arg in task.inputs}


def _drawn(arg: Arg, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if arg.dtype.is_float:
        values = rng.standard_normal(shape) * arg.scale
        return (np.abs(values) + 0.1 if arg.distribution is Distribution.POSITIVE else values).astype(np.float32)
    if arg.dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(np.uint8)
    return rng.integers(arg.low.integer({}), arg.high.integer({}), shape)


def model_outputs(source: str, task: Task, contents: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What the problem's own Model gives, called by hand in float32."""
    space: dict = {}
    exec(source, space)
    model = space["Model"](*space["get_init_inputs"]())
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for arg, name in task.torch.parameters.items():
            held[name].copy_(torch.from_numpy(contents[arg]))
        fresh = iter([torch.from_numpy(contents[a.name]) for a in task.inputs if a.name not in task.torch.parameters])

        def replaced(value):
            if isinstance(value, torch.Tensor):
                return next(fresh).reshape(value.shape).to(value.dtype)
            return type(value)(map(replaced, value)) if isinstance(value, list | tuple) else value

        result = model(*replaced(space["get_inputs"]()))
    return [value.double().numpy() for value in (result if isinstance(result, tuple) else (result,))]


def args(task: Task) -> list[tuple[str, ArgKind, DType, tuple[int, ...]]]:
    return [(arg.name, arg.kind, arg.dtype, task.shape(arg, task.cases[0])) for arg in task.args]


def test_inputs_parameters_and_outputs_become_arguments(tmp_path):
    task = load(problems.LINEAR, tmp_path)
    assert (task.form, task.entry, task.name, task.suite) == (Form.TORCH, "ModelNew", "7_Problem_", "user")
    assert args(task) == [
        ("x0", ArgKind.INPUT, DType.F32, (8, 16)),
        ("w_linear_weight", ArgKind.INPUT, DType.F32, (4, 16)),
        ("w_linear_bias", ArgKind.INPUT, DType.F32, (4,)),
        ("y0", ArgKind.OUTPUT, DType.F32, (8, 4)),
    ]
    assert task.torch.parameters == {"w_linear_weight": "linear.weight", "w_linear_bias": "linear.bias"}
    assert task.arg("w_linear_weight").scale == 0.125  # as the constructor draws it, so that activations stay in range
    assert task.distributions[0] is Distribution.NORMAL
    assert [case.timed for case in task.cases] == [True]


def test_the_suite_is_the_level(tmp_path):
    level = tmp_path / "level2"
    level.mkdir()
    assert load(problems.SOFTMAX, level).suite == "kernelbench-level2"


@pytest.mark.parametrize("source", [problems.SOFTMAX, problems.LINEAR, problems.TWO_OUTPUTS, problems.EMBEDDING, problems.NORM])
def test_the_reference_is_the_model_in_float64(tmp_path, source):
    task = load(source, tmp_path)
    contents = drawn(task)
    exact = oracle.compute(task, contents)
    for arg, right in zip(task.outputs, model_outputs(source, task, contents), strict=True):
        assert exact[arg.name].dtype == np.float64
        assert exact[arg.name].shape == task.shape(arg, task.cases[0])
        np.testing.assert_allclose(exact[arg.name], right.reshape(exact[arg.name].shape), rtol=1e-3, atol=1e-5)


def test_the_reference_does_not_round_to_float32(tmp_path):
    task = load(problems.SOFTMAX, tmp_path)
    contents = drawn(task)
    powers = np.exp(contents["x0"].astype(np.float64))
    np.testing.assert_allclose(oracle.compute(task, contents)["y0"], powers / powers.sum(1, keepdims=True), rtol=1e-14)


def test_the_reference_keeps_nothing_between_calls(tmp_path):
    task = load(problems.NORM, tmp_path)
    first, second = drawn(task, 1), drawn(task, 2)
    before = oracle.compute(task, first)["y0"]
    assert not np.allclose(oracle.compute(task, second)["y0"], before)
    np.testing.assert_array_equal(oracle.compute(task, first)["y0"], before)


def test_constants_lists_and_scalars_keep_their_places(tmp_path):
    task = load(problems.TWO_OUTPUTS, tmp_path)
    assert [arg.name for arg in task.args] == ["x0", "x1", "x2", "y0", "y1"]
    assert task.torch.shapes["y1"] == ()
    assert task.shape(task.arg("y1"), task.cases[0]) == (1,)
    assert '{"value": "2"}' in task.torch.inputs


def test_integers_have_the_range_that_was_seen(tmp_path):
    task = load(problems.EMBEDDING, tmp_path)
    which = task.arg("x0")
    assert (which.dtype, which.low.text, which.high.text) == (DType.I64, "3", "11")
    assert task.arg("x1").dtype is DType.BOOL
    assert any("x0 holds integers from 3 to 10" in text for text in task.assumptions)
    outputs = 64 * 4 * 4
    assert task.cost.bytes.text == str(outputs)  # rows that are not looked up need not be read


def test_statistics_that_forward_updates_are_the_modules_own(tmp_path):
    task = load(problems.NORM, tmp_path)
    assert sorted(task.torch.parameters.values()) == ["conv.weight", "norm.bias", "norm.weight"]
    assert any("norm.running_mean is the module's own" in text for text in task.assumptions)
    assert any("conv.bias changes no output" in text for text in task.assumptions)


def test_statistics_that_are_only_read_are_inputs_and_variances_positive(tmp_path):
    source = problems.NORM.replace("training=True", "training=False")
    task = load(source, tmp_path)
    assert {"norm.running_mean", "norm.running_var", "conv.bias"} < set(task.torch.parameters.values())
    assert task.arg("w_norm_running_var").distribution is Distribution.POSITIVE
    contents = drawn(task)
    np.testing.assert_allclose(oracle.compute(task, contents)["y0"], model_outputs(source, task, contents)[0], rtol=1e-3, atol=1e-5)


def test_a_mask_in_a_buffer_is_a_constant(tmp_path):
    source = problems.HEAD + (
        "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.register_buffer('mask', torch.tril(torch.ones(6, 6)))\n\n"
        "    def forward(self, x):\n        return x * self.mask + 1\n\n"
        "def get_inputs():\n    return [torch.randn(6, 6)]\n" + problems.NO_INIT
    )
    task = load(source, tmp_path)
    assert [arg.name for arg in task.inputs] == ["x0"]
    contents = drawn(task)
    np.testing.assert_allclose(oracle.compute(task, contents)["y0"], np.tril(contents["x0"].astype(np.float64)) + 1)


def test_inputs_are_positive_only_where_the_operation_needs_it(tmp_path):
    source = problems.SOFTMAX.replace("torch.softmax(x, dim=1)", "torch.log(x)")
    task = load(source, tmp_path)
    assert task.distributions == (Distribution.POSITIVE, Distribution.LOGNORMAL)
    assert any("positive" in text for text in task.assumptions)


def test_the_longest_sums_set_the_tolerance_and_dense_products_the_cost(tmp_path):
    task = load(problems.LINEAR.replace("torch.relu(self.linear(x))", "self.linear(x)"), tmp_path)
    assert task.tolerance.reduction.text == "16"
    assert task.cost.flops.text == str(2 * 8 * 16 * 4)
    assert task.cost.bytes.text == str(4 * (8 * 16 + 16 * 4 + 4 + 8 * 4))
    diagonal = problems.SOFTMAX.replace("torch.softmax(x, dim=1)", "torch.diag(x[0, :6]) @ x")
    assert load(diagonal, tmp_path).cost.flops is None  # a product with a structure, which a kernel may use


@pytest.mark.parametrize(
    ("forward", "complaint"),
    [
        ("torch.dropout(x, 0.5, True)", "y0 is another at the second call"),
        ("x", "output y0 is an input or a parameter itself"),
        ("x.t()", "output y0 is an input or a parameter itself"),
        ("x.relu_() + 1", "forward writes its input x0"),
        ("3", "forward returns no tensor"),
        ("x * 0 + 2", "y0 is 2 everywhere"),
        ("x.sqrt().sqrt() - (-x - 1).sqrt()", "nothing to judge by"),
        ("x.to(torch.complex64)", "output y0 is of type torch.complex64"),
        ("x.nonsense()", "line 5: AttributeError: 'Tensor' object has no attribute 'nonsense'"),
    ],
)
def test_a_problem_that_cannot_be_judged_is_refused_with_the_reason(tmp_path, forward, complaint):
    with pytest.raises(UsageError, match="7_Problem_.py: ") as raised:
        load(problems.SOFTMAX.replace("torch.softmax(x, dim=1)", forward), tmp_path)
    assert complaint in str(raised.value)


def test_what_the_constructor_draws_must_be_a_parameter(tmp_path):
    hidden = problems.LINEAR.replace("self.linear = nn.Linear(width, out)", "self.linear = lambda x, w=torch.randn(width, out): x @ w")
    with pytest.raises(UsageError, match="hangs on something that the constructor draws"):
        load(hidden, tmp_path)


def test_a_file_that_is_no_problem_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no get_init_inputs in it"):
        load(problems.SOFTMAX.replace("get_init_inputs", "other"), tmp_path)
    with pytest.raises(UsageError, match="line 1: SyntaxError"):
        load("class Model(:\n", tmp_path)


def test_a_problem_that_ends_the_process_is_told_and_the_next_one_works(tmp_path):
    with pytest.raises(UsageError, match="the process that runs the PyTorch problem ended with code 3: farewell"):
        load("import os\nos.write(2, b'farewell')\nos._exit(3)\n", tmp_path)
    assert load(problems.SOFTMAX, tmp_path).form is Form.TORCH


def test_what_a_problem_prints_does_not_disturb_the_conversation(tmp_path):
    assert load("print('hello')\n" + problems.SOFTMAX, tmp_path).outputs[0].name == "y0"


def test_the_baseline_is_the_problem_under_the_other_name(tmp_path):
    baseline = load(problems.LINEAR, tmp_path).baseline
    names = [node.name for node in ast.parse(baseline).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert names == ["ModelNew"]
    assert "super(ModelNew, self)" in baseline


def test_renaming_leaves_attributes_and_texts_alone():
    source = 'import zoo\n\n\nclass Model(zoo.Model):\n    """A Model."""\n\n\nmade = Model, Modeller\n'
    renamed = 'import zoo\n\n\nclass ModelNew(zoo.Model):\n    """A Model."""\n\n\nmade = ModelNew, Modeller\n'
    assert pyproblem.as_candidate(source, where="a.py") == renamed


def launcher_task(source: str, folder: Path, text: str) -> Task:
    file = folder / "kernel.cu"
    file.write_text(text)
    return load(source, folder, launcher=file)


def test_a_problem_can_be_searched_as_a_launcher(tmp_path):
    text = 'extern "C" void solve(const float* x, const float* w, const float* b, float* y) {}\n'
    task = launcher_task(problems.LINEAR, tmp_path, text)
    assert (task.form, task.entry, task.baseline) == (Form.LAUNCHER, "solve", text)
    assert [arg.name for arg in task.args] == ["x0", "w_linear_weight", "w_linear_bias", "y0"]
    assert oracle.compute(task, drawn(task))["y0"].shape == (8, 4)


LAUNCHERS = {
    "TWO_OUTPUTS": """#include <cmath>
// A backslash \\ and quotes \"\"\" must survive.
extern "C" void solve(const float* x, const float* low, const float* high, float* y, float* total) {
  *total = 0;
  for (int i = 0; i < 35; ++i) { y[i] = x[i] * x[i] + low[i / 7]; *total += x[i] * high[i]; }
}
""",
    "LINEAR": """extern "C" void solve(const float* x, const float* w, const float* b, float* y) {
  for (int i = 0; i < 32; ++i) {
    float sum = b[i % 4];
    for (int k = 0; k < 16; ++k) sum += x[i / 4 * 16 + k] * w[i % 4 * 16 + k];
    y[i] = sum > 0 ? sum : 0;
  }
}
""",
}


@pytest.mark.parametrize("name", sorted(LAUNCHERS))
def test_an_exported_module_computes_what_the_model_does(tmp_path, monkeypatch, name):
    """The launcher is compiled by g++ for the host in the place of nvcc, and called with addresses just the same."""
    source = "from __future__ import annotations\n" + getattr(problems, name)
    task = launcher_task(source, tmp_path, LAUNCHERS[name])
    candidate = Candidate(task="", source=task.baseline, flags=("-O3",), origin=Origin(proposer="test"))
    asked = []

    def on_the_host(name, cpp_sources, cuda_sources, functions, extra_cuda_cflags):
        asked.append((functions, extra_cuda_cflags))
        return HostLauncher(cuda_sources, tmp_path)

    monkeypatch.setattr("torch.utils.cpp_extension.load_inline", on_the_host)
    space: dict = {}
    exec(kernelbench.export_model_new(task, candidate), space)
    exec(source, theirs := {})
    made = [space["ModelNew"], theirs["Model"]]
    results = []
    for kind in made:
        torch.manual_seed(42)
        results.append(kind(*theirs["get_init_inputs"]())(*theirs["get_inputs"]()))
    assert asked == [(["run"], ["-O3"])]
    for ours, right in zip(*([r] if isinstance(r, torch.Tensor) else r for r in results), strict=True):
        torch.testing.assert_close(ours, right)


class HostLauncher:
    """The export's C++ compiled by g++ behind a C interface, called as the extension would be."""

    def __init__(self, source: str, folder: Path) -> None:
        import ctypes
        import subprocess

        bridge = '\nextern "C" void bridge(const std::int64_t* p, int n) { run(std::vector<std::int64_t>(p, p + n)); }\n'
        (folder / "k.cpp").write_text(source + bridge)
        subprocess.run(["g++", "-shared", "-fPIC", "-o", folder / "k.so", folder / "k.cpp"], check=True)
        self._bridge = ctypes.CDLL(str(folder / "k.so")).bridge
        self._ctypes = ctypes

    def run(self, pointers: list[int]) -> None:
        self._bridge((self._ctypes.c_int64 * len(pointers))(*pointers), len(pointers))


def test_only_a_launcher_of_a_problem_is_exported(tmp_path):
    task = load(problems.SOFTMAX, tmp_path)
    candidate = Candidate(task="", source=task.baseline, flags=(), origin=Origin(proposer="test"))
    with pytest.raises(UsageError, match="only a launcher of a PyTorch problem"):
        kernelbench.export_model_new(task, candidate)
