"""The tasks of the large suites as they stand in their files: sizes, costs, signatures, and bfloat16 twins that are twins."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import numpy as np
import pytest
from suite_tasks import SUITES, TASKS, parametrised

from kernelsearch import catalog
from kernelsearch.admission import admit
from kernelsearch.model import ArgKind, Case, DType, Form, Task
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.verify import reference
from kernelsearch.workload import prepare

pytest_generate_tests = parametrised
NVCC = find_nvcc()
_TYPES = {DType.F32: "float*", DType.BF16: "__nv_bfloat16*", DType.I32: "int*"}

# Elements that no case has alone: where terms cancel, a single number has no scale to be judged by.
NO_ONES = ("elu", "selu", "gelu", "layer_norm", "rms_norm")
# Fewer bytes than a large L2 cache holds and few operations, for a reason.
SHORT = {"sorting": "passes over memory many times"}


def held(task: Task, case: Case) -> int:
    return sum(int(np.prod(task.shape(arg, case))) * arg.dtype.size for arg in task.args if arg.is_tensor)


def parameters(text: str, function: str) -> list[str]:
    """The parameters of a function in a Python file."""
    (found,) = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == function]
    return [arg.arg for arg in found.args.args]


def inputs_sizes_scalars(task: Task) -> list[str]:
    names = {arg.name for arg in task.args if arg.is_read or not arg.is_tensor}
    return [arg.name for arg in task.args if arg.name in names] + [name for name in task.cases[0].sizes if name not in names]


@pytest.mark.parametrize("name", TASKS)
def test_names_notes_and_signatures_agree(name: str) -> None:
    task = TASKS[name]
    assert f"{task.suite}/{task.name}" == name in catalog.names()
    assert task.form is Form.LAUNCHER and task.entry == "solve" and task.notes
    assert task.reference is not None and task.yardstick is not None
    wanted = inputs_sizes_scalars(task)
    assert parameters(task.reference.source, task.reference.function) == wanted
    assert parameters(task.yardstick.source, task.yardstick.function) == ["torch", *wanted]
    signature = " ".join(task.baseline.split('extern "C" void solve(')[1].split(")")[0].split())
    declared = [part.rpartition(" ") for part in signature.split(", ")]
    assert [last for _, _, last in declared] == [arg.name for arg in task.args]
    for arg, (words, _, _) in zip(task.args, declared, strict=True):
        constant = "const " if arg.kind is ArgKind.INPUT else ""
        assert words == (constant + _TYPES[arg.dtype] if arg.is_tensor else {DType.F32: "float", DType.I32: "int"}[arg.dtype])
    assert "cudaDeviceSynchronize" not in task.baseline  # what follows waits anyway


@pytest.mark.parametrize("name", TASKS)
def test_cases_are_for_both_scales(name: str) -> None:
    """One timed case that a cache does not hold or that keeps a GPU busy; small ones, ragged among them, and of extent one."""
    task = TASKS[name]
    operator = task.name.removesuffix("_bf16")
    (timed,) = task.timed_cases
    small = [case for case in task.cases if not case.timed]
    flops = task.cost.flops.evaluate(task.values(timed)) if task.cost.flops else 0
    assert held(task, timed) >= 64 << 20 or flops >= 1.5e9 or operator in SHORT
    assert held(task, timed) <= 256 << 20
    assert len(small) >= 3 and sum(held(task, case) for case in small) < 1 << 20
    assert any(all(extent % 4 for extent in shapes(task, case)) for case in small)
    assert any(1 in shapes(task, case) for case in small) or operator in NO_ONES


def shapes(task: Task, case: Case) -> list[int]:
    return [extent for arg in task.args if arg.is_tensor for extent in task.shape(arg, case)]


@pytest.mark.parametrize("name", TASKS)
def test_costs_are_each_tensor_once(name: str) -> None:
    task = TASKS[name]
    assert task.cost.bytes is not None and task.cost.flops is not None
    for case in task.cases:
        assert task.cost.bytes.evaluate(task.values(case)) == pytest.approx(held(task, case), rel=0.01, abs=16 * sum(case.sizes.values()))
        assert task.cost.flops.evaluate(task.values(case)) >= 0


@pytest.mark.parametrize("name", [name for name in TASKS if not name.endswith("_bf16")])
def test_a_task_in_bfloat16_is_the_same_task(name: str) -> None:
    task, twin = TASKS[name], TASKS[f"{name}_bf16"]
    assert (twin.cases, twin.distributions, twin.reference, twin.yardstick) == (
        task.cases,
        task.distributions,
        task.reference,
        task.yardstick,
    )
    assert (twin.tolerance.reduction, twin.policy) == (task.tolerance.reduction, task.policy)
    assert [(arg.name, arg.kind, arg.shape) for arg in twin.args] == [(arg.name, arg.kind, arg.shape) for arg in task.args]
    changed = {(arg.dtype, other.dtype) for arg, other in zip(task.args, twin.args, strict=True) if arg.dtype is not other.dtype}
    assert changed == {(DType.F32, DType.BF16)}
    assert "#include <cuda_bf16.h>" in twin.baseline and "bfloat16" in twin.notes
    # Arithmetic is in float: what is read is widened, and nothing is added up in bfloat16.
    assert not any(operator in twin.baseline for operator in ("__hadd", "__hmul", "__hfma", "__nv_bfloat162 "))


def test_the_suites_have_what_they_are_said_to_have() -> None:
    assert {suite: sum(name.startswith(f"{suite}/") for name in TASKS) for suite in SUITES} == {"algebra": 42, "llm": 32}
    assert all(catalog.suites()[suite] for suite in SUITES)


def test_a_task_is_admitted(tmp_path: Path, sampled: str) -> None:
    found = admit(TASKS[sampled], tmp_path, seed=1234)
    assert found.admitted, found.faults
    assert not any(line.what.startswith("not separable") for line in found.lines)


@pytest.mark.skipif(NVCC is None, reason="no nvcc, neither a toolkit's nor the wheels'")
def test_nvcc_accepts_the_baseline_without_a_warning(tmp_path: Path, compiled: str) -> None:
    (tmp_path / "k.cu").write_text(TASKS[compiled].baseline)
    command = [str(NVCC.path), "-arch=sm_90", "-Werror=all-warnings", "-cubin", "-o", "k.cubin", "k.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


def test_the_yardstick_computes_the_same(tmp_path: Path, loaded: str) -> None:
    """On the CPU; what a library loses by rounding in between is its own affair."""
    torch = pytest.importorskip("torch", reason="yardsticks call PyTorch (pip install kernelsearch[torch])")
    dtypes = {DType.F32: torch.float32, DType.BF16: torch.bfloat16, DType.I32: torch.int32}
    task = TASKS[loaded]
    assert task.yardstick is not None
    space: dict = {}
    exec(task.yardstick.source, space)
    for planned in prepare(task, tmp_path, "yardstick").calls:
        given = {name: torch.from_numpy(np.array(values)).to(dtypes[task.arg(name).dtype]) for name, values in planned.inputs().items()}
        before = {name: tensor.clone() for name, tensor in given.items()}
        made = space[task.yardstick.function](torch, **{**planned.call.values, **given})
        assert all(torch.equal(before[name], tensor) for name, tensor in given.items()), "writes an input"
        made = made if isinstance(made, dict) else {task.outputs[0].name: made}
        for arg in task.outputs:
            exact, values = reference.compute(task, planned)[arg.name].values, made[arg.name]
            assert (values.dtype, tuple(values.shape)) == (dtypes[arg.dtype], exact.shape)
            error = np.sqrt(np.mean((values.double().numpy() - exact) ** 2))
            assert error <= (1e-2 if task.name.endswith("_bf16") else 2e-6) * np.sqrt(np.mean(exact**2)) + 1e-30, planned.call.label
