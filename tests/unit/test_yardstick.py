"""Library times: the conversation with the trusted process on the CPU, what is refused, and when the GPU is held.

What the process does to a GPU (events, flushing) is in tests/gpu; here it times by the clock, and nothing is held against the figures.
"""

import importlib.util
import itertools
from contextlib import closing, contextmanager

import numpy as np
import pytest
import torch_problems
from numpy_lab import NumpyDevice, lab, matrix_task

import kernelsearch.yardstick.timing as timing
from kernelsearch import yardstick
from kernelsearch.device import inventory
from kernelsearch.errors import UsageError
from kernelsearch.formats import kernelbench
from kernelsearch.model import Case, DType, Yardstick
from kernelsearch.oracle.client import Process
from kernelsearch.yardstick.timing import through

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="running a library needs torch (pip install kernelsearch[torch])"
)


class Lock:
    """In place of the GPU's, and says when it was held."""

    def __init__(self):
        self.held = []

    @contextmanager
    def alone(self, *, quiet):
        self.held.append(f"alone, quiet {quiet}")
        yield

    @contextmanager
    def beside(self):
        self.held.append("beside")
        yield


class Told:
    """In place of the process: gives prepared answers."""

    def __init__(self, outputs, *times):
        self.outputs, self.asked = outputs, []
        self.times = itertools.cycle(times or ((3.0, 1.0, 2.0),))

    def ask(self, request, given, seconds):
        self.asked.append((request, dict(given)))
        if isinstance(self.outputs, str):
            return {"error": self.outputs}, {}
        if request["op"] == "time":
            return {"times_us": list(next(self.times))}, {}
        return {}, {name: np.frombuffer(make(given).tobytes(), np.uint8) for name, make in self.outputs.items()}


def doubled(given):
    return 2.0 * given["x"].view(np.float32)


def timed(process, task, tmp_path, ways=("eager",)):
    lock = Lock()
    return through(process, task, lab(tmp_path, NumpyDevice(None)), ways, lock), lock


def of(source, function="run", library="torch", **changes):
    return matrix_task(yardstick=Yardstick(library=library, source=source, function=function), **changes)


RUN = "def run(torch, x, rows, cols):\n    return 2.0 * x\n"


def test_the_median_counts_and_the_gpu_is_alone_for_the_timing(tmp_path):
    process = Told({"y": doubled})
    found, lock = timed(process, of(RUN), tmp_path)
    assert found.times == {"torch eager": 2.0} and found.remarks == ()
    assert lock.held == ["beside", "alone, quiet True"]
    request, given = process.asked[0]
    assert request["values"] == {"rows": 64, "cols": 48} and request["tensors"]["x"] == {"dtype": "f32", "shape": (64, 48)}
    assert len(given["x"]) == 64 * 48 * 4


def test_cases_are_put_together_as_those_of_a_kernel_are(tmp_path):
    cases = tuple(Case(name=name, sizes={"rows": 4, "cols": 5}, timed=True) for name in ("one", "two"))
    found, _ = timed(Told({"y": doubled}, (4.0,), (9.0,)), of(RUN, cases=cases), tmp_path)
    assert found.times["torch eager"] == pytest.approx(6.0)


def test_a_wrong_yardstick_is_named_and_not_used(tmp_path):
    found, lock = timed(Told({"y": lambda given: 2.001 * given["x"].view(np.float32)}), of(RUN), tmp_path)
    assert found.times == {} and "torch eager has no time: its outputs are not the task's: y[" in found.remarks[0]
    assert lock.held == ["beside"]  # nothing was timed
    found, _ = timed(Told("line 2: RuntimeError: out of memory"), of(RUN), tmp_path)
    assert found.remarks == ("torch eager has no time: line 2: RuntimeError: out of memory",)


def test_cupy_has_one_way_and_torch_two(tmp_path):
    process = Told({"y": doubled})
    assert list(timed(process, of(RUN, library="cupy"), tmp_path, ("eager", "compile"))[0].times) == ["cupy"]
    assert list(timed(process, of(RUN), tmp_path, ("eager", "compile"))[0].times) == ["torch eager", "torch compile"]
    assert [request["compiler"] for request, _ in process.asked if request["op"] == "prepare"] == ["", "", "inductor"]


def test_where_there_is_no_gpu_it_is_said_once_and_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(inventory, "detect", list)
    assert yardstick.inapplicable(matrix_task(), "emulated") == ""
    for device in ("emulated", "host", "auto"):
        assert "there is no GPU" in yardstick.inapplicable(of(RUN), device)
    assert yardstick.inapplicable(of(RUN), "cuda:1") is None
    found = yardstick.measure(of(RUN), lab(tmp_path, NumpyDevice(None)), ("eager",))
    assert found.times == {} and found.remarks == ("no library times: fake is no GPU",)


@pytest.fixture(scope="module")
def process():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("running a library needs torch (pip install kernelsearch[torch])")
    with closing(Process("cpu", module="kernelsearch.yardstick.worker")) as started:
        yield started


@pytest.mark.parametrize("dtype", [DType.F32, DType.BF16, DType.F16])
def test_torch_gets_the_tasks_own_types_and_is_judged_by_its_tolerance(tmp_path, process, dtype):
    found, _ = timed(process, of(RUN, dtype=dtype), tmp_path)
    assert found.remarks == () and found.times["torch eager"] > 0


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def run(torch, x, rows, cols):\n    return x.double() * 2\n", "y comes back as torch.float64, not as torch.float32"),
        ("def run(torch, x, rows, cols):\n    return {'z': x}\n", "it returns nothing for y"),
        ("def run(torch, x, rows, cols):\n    return x.mul_(2)\n", "it wrote its input x"),
        ("def run(torch, x, rows, cols):\n    return x @ x\n", "line 2: RuntimeError"),
        ("def other():\n    pass\n", "no function 'run' in yardstick.py"),
        ("def run(torch, x, rows, cols):\n    return 3 * x\n", "its outputs are not the task's"),
        ("def run(torch, x, rows, cols):\n    return (2 * x)[:-1]\n", "its outputs are not the task's"),
        ("def run(:\n", "SyntaxError"),
    ],
)
def test_what_a_function_may_not_do_is_named(tmp_path, process, source, why):
    found, _ = timed(process, of(source), tmp_path)
    assert found.times == {} and why in found.remarks[0]


def test_cupy_is_not_tried_without_a_gpu(tmp_path, process):
    assert timed(process, of(RUN, library="cupy"), tmp_path)[0].remarks == ("cupy has no time: cupy needs a GPU",)


@needs_torch
def test_the_module_of_a_pytorch_problem_is_its_own_yardstick_compiled_or_not(tmp_path, process, monkeypatch):
    monkeypatch.setitem(timing._COMPILERS, "compile", "eager")  # all of torch.compile but the code, which takes a minute
    (tmp_path / "linear.py").write_text(torch_problems.LINEAR)
    found, _ = timed(process, kernelbench.load(tmp_path / "linear.py"), tmp_path, ("eager", "compile"))
    assert found.remarks == () and min(found.times.values()) > 0 and list(found.times) == ["torch eager", "torch compile"]
    times = process.ask({"op": "time"}, {}, 60.0)[0]["times_us"]
    assert len(times) >= 30


def test_a_process_that_dies_is_a_remark(tmp_path):
    class Dead:
        def ask(self, request, given, seconds):
            raise UsageError("the process that runs the PyTorch problem ended with code -9: Killed")

    found, _ = timed(Dead(), of(RUN), tmp_path)
    assert found.remarks[0].endswith("code -9: Killed")
