"""Small problems in the formats of other benchmarks, made for the tests: each on disk as its own suite would have it."""

from __future__ import annotations

import json
from pathlib import Path

CHALLENGE = """
import ctypes

import torch
from core.challenge_base import ChallengeBase


class Challenge(ChallengeBase):
    def __init__(self):
        super().__init__(name="Scaled sum", atol=1e-4, rtol=1e-4, num_gpus=1, access_tier="free")

    def reference_impl(self, A, B, C, N: int, alpha: float):
        assert A.shape == (N,)
        torch.add(A, B, alpha=alpha, out=C)

    def get_solve_signature(self):
        pointer = ctypes.POINTER(ctypes.c_float)
        return {
            "A": (pointer, "in"),
            "B": (pointer, "in"),
            "C": (pointer, "out"),
            "N": (ctypes.c_size_t, "in"),
            "alpha": (ctypes.c_float, "in"),
        }

    def _case(self, count, alpha):
        A = torch.empty(count, device="cuda", dtype=torch.float32).uniform_(-1, 1)
        return {"A": A, "B": torch.randn(count, device="cuda"), "C": torch.empty_like(A), "N": count, "alpha": alpha}

    def generate_functional_test(self):
        return [self._case(4, 1.0), self._case(33, 2.0)]

    def generate_performance_test(self):
        return self._case(256, 0.5)
"""
BASE = """
class RandTensor:
    def __init__(self, shape, low, high, dtype="float32"):
        self.shape, self.low, self.high, self.dtype = tuple(shape), low, high, dtype


class OutTensor:
    def __init__(self, shape, dtype="float32"):
        self.shape, self.dtype = tuple(shape), dtype


class ChallengeBase:
    def __init__(self, name, atol, rtol, num_gpus, access_tier):
        self.num_gpus = num_gpus
"""
ADD = """#include <cuda_runtime.h>
__global__ void add(const float* A, const float* B, float* C, size_t N, float alpha) {
  size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
  if (i < N) C[i] = A[i] + alpha * B[i];
}
extern "C" void solve(const float* A, const float* B, float* C, size_t N, float alpha) { add<<<(N + 63) / 64, 64>>>(A, B, C, N, alpha); }
"""

REFERENCE = """
from utils import match, Quiet
import torch
from task import input_t


def ref_kernel(data: input_t):
    with Quiet():
        x, out, scale = data
        out[...] = torch.softmax(x * scale, dim=-1)
        return out


def generate_input(size: int, batch: int, seed: int):
    generator = torch.Generator(device="cuda")
    generator.manual_seed(seed)
    return torch.randn(batch, size, device="cuda", generator=generator), torch.empty(batch, size, device="cuda"), 2.0


check_implementation = match(ref_kernel)
"""
UTILS = """
def match(function):
    return lambda data, out: (True, "")


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *raised):
        return None
"""
TASK_YML = """
files:
  - {name: submission.py, source: "@SUBMISSION@"}
  - {name: task.py, source: task.py}
  - {name: utils.py, source: ../utils.py}
  - {name: reference.py, source: reference.py}
  - {name: eval.py, source: ../eval.py}
lang: py
tests:
  - {size: 16, batch: 3, seed: 4242}
benchmarks:
  - {size: 64, batch: 8, seed: 54}
gpus: [H100]
"""

RUN = """import torch


@torch.no_grad()
def run(x, w, eps):
    wide = x.float()
    return {"y": (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps) * w.float()).to(torch.bfloat16)}
"""
DEFINITION = {
    "name": "rms",
    "op_type": "norm",
    "axes": {"batch": {"type": "var"}, "hidden": {"type": "const", "value": 32}},
    "inputs": {
        "x": {"shape": ["batch", "hidden"], "dtype": "bfloat16"},
        "w": {"shape": ["hidden"], "dtype": "bfloat16"},
        "eps": {"shape": None, "dtype": "float32"},
    },
    "outputs": {"y": {"shape": ["batch", "hidden"], "dtype": "bfloat16"}},
    "reference": RUN,
}

FORWARD = """import torch
import torch.nn as nn
import torch.nn.functional as F


def forward_fn(x, weight):
    return F.linear(x, weight)


class Model(nn.Module):
    def __init__(self, width: int = 16, out: int = 4):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, width))

    def forward(self, x, fn=forward_fn):
        return fn(x, self.weight)


def get_inputs(batch: int = 8, width: int = 16):
    return [torch.randn(batch, width)]


input_names = ["x"]
"""
CONFIG = {
    "single_input_configs": [{"batch": 64}],
    "single_init_configs": [{"out": 8}],
    "single_shared_configs": [{"width": 32}],
    "multi_input_configs": [{"batch": 3}, {"batch": 5}],
    "multi_init_configs": [{"out": 7}],
    "multi_shared_configs": [{"width": 17}],
}
SPEC_YAML = """
task_id: "CUDA/7"
problem_type: cuda_cpp
prompt: Write a kernel.
build_command: nvcc solution.cu test/main.cu -o test.out
test_command: ./test.out
"""


def workload(uuid: str, batch: int, kind: str = "random") -> dict:
    inputs = {"x": {"type": kind, "path": "p", "tensor_key": "x"}, "w": {"type": "random"}, "eps": {"type": "scalar", "value": 0.001}}
    return {"uuid": uuid, "axes": {"batch": batch}, "inputs": inputs}


def leetgpu(root: Path, source: str = CHALLENGE) -> Path:
    folder = root / "challenges" / "easy" / "1_scaled_sum"
    folder.mkdir(parents=True)
    (folder / "challenge.py").write_text(source)
    return folder


def gpumode(root: Path, text: str = TASK_YML, reference: str = REFERENCE) -> Path:
    folder = root / "softmax"
    folder.mkdir(parents=True)
    (root / "utils.py").write_text(UTILS)
    (folder / "task.py").write_text("input_t = tuple\n")
    (folder / "reference.py").write_text(reference)
    (folder / "task.yml").write_text(text)
    return folder


def flashinfer(root: Path, definition: dict | None = None, rows: list[dict] | None = None) -> Path:
    """In the folders of the data set; the first row inside a trace, as the set has them, the others bare."""
    found = rows or [workload("a1", 3), workload("b2", 70), workload("c3", 9, "safetensors")]
    for kind in ("definitions", "workloads"):
        (root / kind / "norm").mkdir(parents=True)
    lines = [json.dumps({"definition": "rms", "workload": found[0], "solution": None}), *map(json.dumps, found[1:])]
    (root / "workloads" / "norm" / "rms.jsonl").write_text("\n".join(lines) + "\n")
    file = root / "definitions" / "norm" / "rms.json"
    file.write_text(json.dumps(DEFINITION if definition is None else definition))
    return file


def robust(root: Path, config: object = CONFIG) -> Path:
    folder = root / "tasks" / "linear"
    folder.mkdir(parents=True)
    (folder / "func_forward.py").write_text(FORWARD)
    (folder / "config_forward.json").write_text(json.dumps(config))
    return folder


def computeeval(root: Path) -> Path:
    folder = root / "CUDA-7"
    (folder / "solution").mkdir(parents=True)
    (folder / "problem-spec.yaml").write_text(SPEC_YAML)
    (folder / "solution" / "answer.cu").write_text("")
    return folder
