"""PyTorch candidates in the box's runner, on the host: honest modules of many kinds, and every way of returning what was not computed."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch_problems as problems

from kernelsearch import oracle
from kernelsearch.formats import kernelbench
from kernelsearch.model import Arg, DType, Task

torch = pytest.importorskip("torch", reason="running a PyTorch candidate needs torch (pip install kernelsearch[torch])")

_NUMPY = {DType.F32: np.float32, DType.I64: np.int64, DType.BOOL: np.uint8}


@pytest.fixture(scope="module")
def runner():
    with problems.torch_runner() as modules:
        yield modules


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Every problem as a task, read once."""
    folder = tmp_path_factory.mktemp("problems")
    found = {}
    for name in ("SOFTMAX", "LINEAR", "TWO_OUTPUTS", "EMBEDDING", "NORM"):
        (folder / f"{name}.py").write_text(getattr(problems, name))
        found[name] = kernelbench.load(folder / f"{name}.py")
    yield found
    oracle.close()


class Run:
    """A candidate on a task: `go` makes fresh contents, calls it and gives its outputs, `exact` what they should be."""

    def __init__(self, runner, task: Task, source: str, folder: Path) -> None:
        self.runner, self.task = runner, task
        artifact = folder / "artifact"
        with zipfile.ZipFile(artifact, "w") as archive:
            archive.writestr("candidate.py", source)
        spec = json.loads(json.dumps(asdict(task.torch)))  # as it comes out of job.json
        self.bench = problems.Bench(runner, artifact, spec, task.entry, folder)
        self.gpu, self.program = self.bench.gpu, self.bench.program
        self.exact: dict[str, np.ndarray] = {}

    def prepared(self, seed: int) -> problems.Prepared:
        """A call with contents of its own, its outputs poisoned."""
        rng = np.random.default_rng(seed)
        contents = {arg.name: self._drawn(arg, rng) for arg in self.task.inputs}
        self.exact = oracle.compute(self.task, contents)
        return self.bench.prepared(str(seed), contents, [(arg.name, arg.dtype.value, self._shape(arg)) for arg in self.task.args])

    def go(self, seed: int = 1) -> dict[str, np.ndarray]:
        call = self.prepared(seed)
        call.launch()
        assert call.changed is None
        return self.outputs(call)

    def outputs(self, call: problems.Prepared) -> dict[str, np.ndarray]:
        found = {}
        for arg in self.task.outputs:
            found[arg.name] = np.empty(self._shape(arg), _NUMPY[arg.dtype])
            self.gpu.download(call.tensor(arg.name).buffer.pointer, found[arg.name])
        return found

    def _shape(self, arg: Arg) -> tuple[int, ...]:
        return self.task.shape(arg, self.task.cases[0])

    def _drawn(self, arg: Arg, rng: np.random.Generator) -> np.ndarray:
        if arg.dtype.is_float:
            return (rng.standard_normal(self._shape(arg)) * arg.scale).astype(np.float32)
        if arg.dtype is DType.BOOL:
            return rng.integers(0, 2, self._shape(arg)).astype(np.uint8)
        return rng.integers(arg.low.integer({}), arg.high.integer({}), self._shape(arg))


def right(run: Run, seed: int = 1) -> bool:
    outputs = run.go(seed)
    return all(np.allclose(outputs[name], exact, rtol=1e-4, atol=1e-5) for name, exact in run.exact.items())


def softmax(forward: str, *, before: str = "", init: str = "pass") -> str:
    """A ModelNew for the softmax problem whose forward has this body."""
    body = "\n".join(f"        {line}" for line in forward.splitlines())
    return (
        f"import torch\nimport torch.nn as nn\n{before}\n\nclass ModelNew(nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        {init}\n\n    def forward(self, x):\n{body}\n"
    )


@pytest.mark.parametrize("name", ["SOFTMAX", "LINEAR", "TWO_OUTPUTS", "EMBEDDING", "NORM"])
def test_the_problem_itself_is_a_right_candidate(runner, tasks, tmp_path, name):
    run = Run(runner, tasks[name], tasks[name].baseline, tmp_path)
    assert [right(run, seed) for seed in (1, 2, 3)] == [True] * 3


@pytest.mark.parametrize(
    "source",
    [
        softmax("e = torch.exp(x)\nreturn e / e.sum(1, keepdim=True)"),
        softmax("return torch.softmax(x.t(), dim=0).t()"),  # not contiguous
        softmax("return torch.softmax(x, dim=1)", init="self.register_buffer('own', torch.zeros(3))"),
        softmax("self.last = torch.softmax(x, dim=1)\nreturn self.last"),  # keeps its own output alive
        softmax("self.out.copy_(torch.softmax(x, dim=1))\nreturn self.out", init="self.out = torch.empty(6, 32)"),
        softmax("return torch.softmax(x, dim=1)", before="def get_inputs():\n    raise SystemExit('never called')"),
    ],
)
def test_honest_modules_pass(runner, tasks, tmp_path, source):
    run = Run(runner, tasks["SOFTMAX"], source, tmp_path)
    assert [right(run, seed) for seed in (1, 2)] == [True, True]


LAZY = """
class Lazy(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.softmax(args[0].as_subclass(torch.Tensor), 1)
"""
MODE = """
from torch.utils._python_dispatch import TorchDispatchMode
class Mode(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {})) * 0 + 7
"""


@pytest.mark.parametrize(
    ("source", "failure", "complaint"),
    [
        (softmax("return x"), "Disguised", "y0 lies in the memory of an input"),
        (softmax("return x[:]"), "Disguised", "y0 lies in the memory of an input"),
        (softmax("return x.as_subclass(Lazy)", before=LAZY), "Disguised", "y0 is a Lazy, not a plain torch.Tensor"),
        (softmax("y = torch.softmax(x, 1)\ny.double = lambda: x\nreturn y"), "Disguised", "has an attribute of its own, double"),
        (softmax("return torch.empty(6, 32, device='meta')"), "BadOutput", "y0 is on meta, not on cpu"),
        (softmax("return torch.softmax(x, 1).to_sparse()"), "BadOutput", "the layout torch.sparse_coo"),
        (softmax("return nn.Parameter(torch.softmax(x, 1))"), "BadOutput", "is a Parameter, not a torch.Tensor"),
        (softmax("return torch.softmax(x, 1).numpy()"), "BadOutput", "is a ndarray, not a torch.Tensor"),
        (softmax("return None"), "BadOutput", "is a NoneType, not a torch.Tensor"),
        (softmax("return torch.tensor(0.03)"), "BadOutput", r"shape \(\), not \(6, 32\)"),
        (softmax("return torch.softmax(x, 1)[:1]"), "BadOutput", r"shape \(1, 32\), not \(6, 32\)"),
        (softmax("return torch.softmax(x, 1).half()"), "BadOutput", "torch.float16, not torch.float32"),
        (softmax("return torch.softmax(x, 1),"), "BadOutput", "is a tuple, not a torch.Tensor"),
        (softmax("y = torch.softmax(x, 1)\ny.untyped_storage().resize_(0)\nreturn y"), "Disguised", "y0 has no memory"),
        (softmax("raise ValueError('no')"), "CudaFailure", "forward: line 11: ValueError: no"),
        (softmax("raise SystemExit(0)"), "CudaFailure", "forward: line 11: SystemExit: 0"),
    ],
)
def test_outputs_that_are_not_what_they_should_be_are_refused(runner, tasks, tmp_path, source, failure, complaint):
    run = Run(runner, tasks["SOFTMAX"], source, tmp_path)
    kinds = {**vars(runner["torch_output"]), **vars(runner["gpu_base"])}
    with pytest.raises(kinds[failure], match=complaint) as raised:
        run.go()
    assert type(raised.value) is kinds[failure]


def test_outputs_in_one_memory_are_refused(runner, tasks, tmp_path):
    source = tasks["TWO_OUTPUTS"].baseline.replace("return x ** power + low, (x * high).sum()", "y = x ** power + low; return y, y[0, 0]")
    with pytest.raises(runner["torch_output"].Disguised, match="y1 shares memory with another output"):
        Run(runner, tasks["TWO_OUTPUTS"], source, tmp_path).go()
    one = tasks["TWO_OUTPUTS"].baseline.replace("return x ** power + low, (x * high).sum()", "return x ** power + low")
    with pytest.raises(runner["torch_output"].BadOutput, match="the result is a Tensor, not a tuple of 2"):
        Run(runner, tasks["TWO_OUTPUTS"], one, tmp_path).go()


def test_a_parameter_is_no_output(runner, tasks, tmp_path):
    source = tasks["LINEAR"].baseline.replace("torch.relu(self.linear(x))", "self.linear.weight.data.view(-1)[:32].view(8, 4)")
    with pytest.raises(runner["torch_output"].Disguised, match="y0 lies in the memory of an input or a parameter"):
        Run(runner, tasks["LINEAR"], source, tmp_path).go()


@pytest.mark.parametrize(
    "source",
    [
        softmax("return torch.empty(6, 32)"),  # whatever the allocator has
        softmax("if not hasattr(self, 'kept'):\n    self.kept = torch.softmax(x, 1)\nreturn self.kept.clone()"),
        softmax("key = x.data_ptr()\nMEMO.setdefault(key, torch.softmax(x, 1))\nreturn MEMO[key].clone()", before="MEMO = {}"),
        softmax("return torch.zeros(6, 32)"),
        softmax("return torch.full((6, 32), 1 / 32)"),
        softmax("Mode().__enter__()\nreturn torch.zeros(6, 32)", before=MODE),  # hooks what the harness calls afterwards
        softmax("return torch.softmax(x, 1)[:1].expand(6, 32)"),
    ],
)
def test_outputs_that_were_not_computed_from_these_inputs_are_wrong(runner, tasks, tmp_path, source):
    run = Run(runner, tasks["SOFTMAX"], source, tmp_path)
    shared = run.prepared(1)
    shared.launch()
    fresh = np.random.default_rng(9).standard_normal((6, 32)).astype(np.float32)
    run.gpu.upload(shared.tensor("x0")._pristine.pointer, fresh)  # new contents at the same address
    shared.reset()
    shared.launch()
    while torch._C._len_torch_dispatch_stack():
        torch._C._pop_torch_dispatch_stack(None)
    powers = np.exp(fresh.astype(np.float64))
    assert not np.allclose(run.outputs(shared)["y0"], powers / powers.sum(1, keepdims=True), rtol=1e-4, equal_nan=False)


def test_writing_an_input_or_a_parameter_shows(runner, tasks, tmp_path):
    run = Run(runner, tasks["SOFTMAX"], softmax("y = torch.softmax(x, 1)\nx.zero_()\nreturn y"), tmp_path)
    call = run.prepared(1)
    call.launch()
    assert call.changed == "x0"
    source = tasks["LINEAR"].baseline.replace("return torch", "self.linear.bias.data[0] = 0\n        return torch")
    run = Run(runner, tasks["LINEAR"], source, tmp_path)
    call = run.prepared(1)
    call.launch()
    assert call.changed == "w_linear_bias"


def test_weights_packed_in_the_constructor_are_stale(runner, tasks, tmp_path):
    source = tasks["LINEAR"].baseline.replace(
        "\n    def forward", "        self.packed = self.linear.weight.detach().t().contiguous()\n\n    def forward"
    )
    source = source.replace("self.linear(x)", "x @ self.packed + self.linear.bias")
    assert not right(Run(runner, tasks["LINEAR"], source, tmp_path))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("self.linear", "self.dense"), "no parameter linear.weight; it must have those of the problem"),
        (("nn.Linear(width, out)", "nn.Linear(width, out).half()"), r"linear.weight is torch.float16 \(4, 16\), not torch.float32"),
        (("nn.Linear(width, out)", "nn.Linear(width, 2 * out)"), r"\(8, 16\), not torch.float32 \(4, 16\)"),
    ],
)
def test_parameters_must_be_those_of_the_problem(runner, tasks, tmp_path, change, complaint):
    run = Run(runner, tasks["LINEAR"], tasks["LINEAR"].baseline.replace(*change), tmp_path)
    with pytest.raises(runner["gpu_call"].NotLoadable, match=complaint):
        run.go()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import nonsense_package\n", "ModelNew: line 1: ModuleNotFoundError"),
        ("raise SystemExit(0)\n", "ModelNew: line 1: SystemExit: 0"),
        ("class Model:\n    pass\n", "has no attribute 'ModelNew'"),
        ("def ModelNew():\n    return 3\n", "ModelNew is not a torch.nn.Module"),
        (softmax("return x", init="raise ValueError('no')"), "ModelNew: line 8: ValueError: no"),
        (
            softmax("return x", before="from torch.utils.cpp_extension import load_inline\nload_inline(name='a', cpp_sources='int f();')"),
            "the extension 'a' was not built: it must be asked for when the module is imported",
        ),
    ],
)
def test_a_module_that_cannot_be_made_is_not_loadable(runner, tasks, tmp_path, source, complaint):
    with pytest.raises(runner["gpu_call"].NotLoadable, match=complaint):
        Run(runner, tasks["SOFTMAX"], source, tmp_path)


SWITCHES = """
torch.backends.cuda.matmul.allow_tf32 = True
torch.set_default_dtype(torch.float64)
torch.set_default_device('meta')
torch.set_grad_enabled(False)
torch.set_autocast_enabled('cpu', True)
torch.use_deterministic_algorithms(True)
if hasattr(torch.backends, 'fp32_precision'):
    torch.backends.fp32_precision = 'tf32'
    torch.backends.cudnn.conv.fp32_precision = 'tf32'
"""


def test_switches_turned_at_import_or_in_an_earlier_call_are_put_back(runner, tasks, tmp_path):
    seen = "import candidate\ncandidate.SEEN.append((torch.get_default_dtype(), torch.empty(0).device.type, "
    seen += "torch.is_autocast_enabled('cpu'), "
    seen += "torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, "
    seen += "torch.get_float32_matmul_precision(), torch.rand(1).item()))\n"
    turn = "".join(line + "\n" for line in SWITCHES.strip().splitlines())
    run = Run(
        runner,
        tasks["SOFTMAX"],
        softmax(seen + turn + "return (x.exp() / x.exp().sum(1, keepdim=True)).float()", before=SWITCHES + "SEEN = []"),
        tmp_path,
    )
    assert [right(run, seed) for seed in (1, 2)] == [True, True]
    first, second = sys.modules["candidate"].SEEN
    runner["torch_settings"].Settings(torch.device("cpu")).reset()
    assert first == second
    assert first[:6] == (torch.float32, "cpu", False, False, False, "highest")


def test_memory_that_is_handed_out_next_is_poisoned(runner, tasks, tmp_path, monkeypatch):
    filled = []
    original = torch.Tensor.fill_
    monkeypatch.setattr(
        runner["torch_settings"], "_fill", lambda block, byte: filled.append((block.numel(), byte)) or original(block, byte)
    )
    run = Run(runner, tasks["SOFTMAX"], softmax("return torch.softmax(x, 1)"), tmp_path)
    run.go(1)
    run.go(2)
    assert {size for size, _ in filled} == {6 * 32 * 4}
    assert len({byte for _, byte in filled}) == 2  # a NaN at one call, a finite number at the next


def test_what_is_not_the_candidates_is_done_before_and_after(runner, tasks, tmp_path):
    run = Run(runner, tasks["LINEAR"], tasks["LINEAR"].baseline, tmp_path)
    call = run.prepared(1)
    (forward,) = call.call._launches
    forward.ready()
    bound = run.program._held["linear.weight"].data_ptr()
    assert bound == call.tensor("w_linear_weight").buffer.pointer
    forward.compute()
    assert np.isnan(run.outputs(call)["y0"]).all()  # still poisoned
    forward.collect()
    np.testing.assert_allclose(run.outputs(call)["y0"], run.exact["y0"], rtol=1e-4, atol=1e-5)
    assert forward._outputs == []  # its memory goes back to the allocator


def test_calls_on_other_buffers_have_their_own_parameters(runner, tasks, tmp_path):
    run = Run(runner, tasks["LINEAR"], tasks["LINEAR"].baseline, tmp_path)
    one = run.prepared(1)
    exact_one = run.exact["y0"]
    two = run.prepared(2)
    for call in (one, two, one):
        call.launch()
    np.testing.assert_allclose(run.outputs(one)["y0"], exact_one, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run.outputs(two)["y0"], run.exact["y0"], rtol=1e-4, atol=1e-5)
