"""PyTorch problems on the command line, and what is said of the GPU before its times are believed."""

import importlib.util
import json

import pytest
import torch_problems

import runs
from kernelsearch import catalog
from kernelsearch.cli import checks, group, health, inputs, run
from kernelsearch.device import inventory, nvml
from kernelsearch.device.inventory import GpuInfo
from kernelsearch.device.nvml import Process, Reading
from kernelsearch.errors import UsageError
from kernelsearch.formats import kernelbench
from kernelsearch.model import Environment, Form

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
GPU = GpuInfo(ordinal=0, name="NVIDIA H100", uuid="GPU-1", arch="sm_90", driver="580", minor=0)
WITH_GPU = Environment(device=GPU.name, time_kind="measured", sandbox="bubblewrap", facts={"gpu uuid": GPU.uuid})
MINE = """
import torch


class ModelNew(torch.nn.Module):
    def forward(self, x):
        shifted = torch.exp(x - x.max(dim=1, keepdim=True).values)
        return shifted / shifted.sum(dim=1, keepdim=True)
"""


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


@pytest.fixture
def problem(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inventory, "detect", list)
    path = tmp_path / "softmax.py"
    path.write_text(torch_problems.SOFTMAX)
    return path


@needs_torch
def test_a_module_is_judged_against_a_problem_on_this_cpu(problem, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE)
    assert kernelsearch("evaluate", "mine.py", "--task", problem, "--json") == 0
    said = capsys.readouterr()
    evaluation = json.loads(said.out)
    assert evaluation["verdict"] == "passed" and evaluation["environment"]["device"].startswith("host CPU")
    assert inputs.ON_THIS_CPU in said.err


@needs_torch
def test_a_module_that_is_wrong_is_found_so(problem, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE.replace("dim=1, keepdim=True).values", "dim=0, keepdim=True).values * 0"))
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text().replace("sum(dim=1", "sum(dim=0"))
    assert kernelsearch("evaluate", "mine.py", "--task", problem) == 1
    assert "softmax: wrong." in capsys.readouterr().out


@needs_torch
def test_the_rules_are_not_sent_to_a_language_they_do_not_know(problem, capsys):
    assert kernelsearch("optimize", problem) == 2
    said = capsys.readouterr().err
    assert "the rules know CUDA sources alone" in said and "--llm PROVIDER:MODEL" in said
    assert not (problem.parent / "runs").exists()


def test_a_problem_and_a_launcher_for_it_are_read_as_what_they_are(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(kernelbench, "load", lambda path, launcher=None: asked.append((path.name, launcher)) or runs.task())
    inputs.task("p.py")
    inputs.task("p.py", launcher=tmp_path / "k.cu")
    assert asked == [("p.py", None), ("p.py", tmp_path / "k.cu")]
    assert inputs.subject("p.py").source.name == "p.py"


LAUNCHER = """#include <cuda_runtime.h>

__global__ void softmax(const float* x, float* y) {
    int row = threadIdx.x;
    float largest = -INFINITY, sum = 0.0f;
    for (int c = 0; c < 32; ++c) largest = fmaxf(largest, x[row * 32 + c]);
    for (int c = 0; c < 32; ++c) sum += expf(x[row * 32 + c] - largest);
    for (int c = 0; c < 32; ++c) y[row * 32 + c] = expf(x[row * 32 + c] - largest) / sum;
}

extern "C" void solve(const float* x, float* y) { softmax<<<1, 6>>>(x, y); }
"""


@needs_torch
def test_a_launcher_for_a_problem_is_judged_and_exported(problem, tmp_path, capsys):
    (tmp_path / "mine.cu").write_text(LAUNCHER)
    assert kernelsearch("evaluate", "mine.cu", "--task", problem, "--device", "emulated", "--export", "new.py") == 0
    exported = (tmp_path / "new.py").read_text()
    assert "class ModelNew" in exported and "softmax<<<1, 6>>>" in exported
    compile(exported, "new.py", "exec")
    assert "exported new.py" in capsys.readouterr().err


@needs_torch
def test_the_rules_search_for_a_launcher_of_a_problem(problem, tmp_path, capsys):
    (tmp_path / "mine.cu").write_text(LAUNCHER)
    assert kernelsearch("optimize", "mine.cu", "--task", problem, "--device", "emulated", "--budget", 1) == 0
    assert "softmax      launcher solve(x0, y0)" in capsys.readouterr().out
    assert not (tmp_path / "mine.task.toml").exists()


@needs_torch
def test_nothing_that_is_no_launcher_is_exported(problem, tmp_path, capsys):
    assert kernelsearch("evaluate", problem, "--export", "new.py") == 2
    assert "only a launcher" in capsys.readouterr().err
    assert not (tmp_path / "new.py").exists()


def test_a_task_beside_another_than_a_cuda_source_is_refused(tmp_path, capsys):
    (tmp_path / "k.cu").write_text(runs.SOURCE)
    assert kernelsearch("optimize", tmp_path / "k.cu", "--task", "core/row_softmax") == 2
    assert "--task is for a CUDA source that answers a PyTorch problem (.py) or another benchmark's" in capsys.readouterr().err


def test_a_problem_needs_no_task_file(tmp_path, capsys):
    assert kernelsearch("init", tmp_path / "p.py") == 2
    assert f"kernelsearch optimize {tmp_path}/p.py" in capsys.readouterr().err


def test_a_problem_that_is_not_there_is_a_sentence(tmp_path, capsys):
    assert kernelsearch("optimize", tmp_path / "absent.py") == 2
    assert capsys.readouterr().err == f"kernelsearch: {tmp_path}/absent.py: no such file\n"


def test_only_pytorch_without_a_gpu_goes_to_the_cpu(monkeypatch):
    cuda, torch = runs.task(), type("Task", (), {"form": Form.TORCH, "name": "t"})()
    monkeypatch.setattr(inventory, "detect", list)
    assert inputs.device_for(cuda, "auto") == ("auto", ())
    assert inputs.device_for(torch, "auto") == ("host", (inputs.ON_THIS_CPU,))
    assert inputs.device_for(torch, "cuda") == ("cuda", ())
    monkeypatch.setattr(inventory, "detect", lambda: [GPU])
    assert inputs.device_for(torch, "auto") == ("auto", ())


def test_models_may_be_asked_about_pytorch_and_rules_about_cuda():
    torch = type("Task", (), {"form": Form.TORCH, "name": "t"})()
    inputs.proposable(torch, "anthropic:m")
    inputs.proposable(catalog.task("core/row_softmax"), "rules")
    with pytest.raises(UsageError, match="the candidates of t are PyTorch modules"):
        inputs.proposable(torch, "rules")


def test_what_is_odd_about_a_gpu_is_said(monkeypatch):
    monkeypatch.setattr(nvml, "reading", lambda uuid: Reading(processes=(Process(pid=1, name="other"),)))
    monkeypatch.setattr(nvml, "strangers", lambda uuid, found, own: found.processes)
    monkeypatch.setattr(nvml, "library", lambda: object())
    monkeypatch.setattr(health, "find_ncu", lambda: None)
    said = health.remarks(WITH_GPU, metrics="quick")
    assert said[0] == "process 1 (other) uses this GPU too, so times may be wrong"
    assert any(text.startswith("throttling: not watched") for text in said)
    assert said[-1].startswith("no counters") and "--metrics none" in said[-1]
    assert not any(text.startswith("no counters") for text in health.remarks(WITH_GPU, metrics="none"))


def test_of_a_device_that_is_no_gpu_nothing_is_said():
    assert health.remarks(runs.ENVIRONMENT, metrics="quick") == []


def test_doctor_says_who_uses_a_gpu_and_what_is_not_watched(monkeypatch):
    monkeypatch.setattr(nvml, "foreign", lambda uuid, own: ("process 1 (other) uses this GPU too, so times may be wrong",))
    monkeypatch.setattr(nvml, "missing", lambda uuid: ())
    lines = {line.name.strip(): line for line in checks._watched(GPU)}
    assert not lines["in use"].ok and "--device cuda" in lines["in use"].remedy
    assert lines["watched"].ok


def test_doctor_looks_for_the_sanitizer_and_torch():
    names = [line.name for line in (*checks._sanitizer(), *checks._torch())]
    assert names == ["compute-sanitizer", "torch"]
    assert all(line.remedy for line in (*checks._sanitizer(), *checks._torch()))
