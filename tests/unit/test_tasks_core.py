"""The shipped tasks: references agree with formulas written again here, gates let float32 through and stop less."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from kernelsearch import catalog, source
from kernelsearch.model import Arg, Case, DType, Form, Task
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.verify import reference
from kernelsearch.verify.compare import compare
from kernelsearch.verify.tolerance import gate
from kernelsearch.workload import encode, prepare

NVCC = find_nvcc()
TASKS = {task.name: task for task in catalog.tasks("core")}
F = np.float32


def attention_row(q, k, v, t):
    """Online softmax: one key at a time, rescaling what was summed."""
    out, total, largest = np.zeros_like(q, t), np.zeros((len(q), 1), t), np.full((len(q), 1), -np.inf, t)
    for key, value in zip(k, v, strict=True):
        score = ((q * key).astype(t).sum(axis=1, keepdims=True, dtype=t) / t(np.sqrt(q.shape[1]))).astype(t)
        top = np.maximum(largest, score)
        rescale, weight = np.exp(largest - top, dtype=t), np.exp(score - top, dtype=t)
        out, total, largest = (out * rescale + weight * value).astype(t), total * rescale + weight, top
    return out / total


def box_blur(image, radius, t):
    out = np.empty_like(image, t)
    for y, x in np.ndindex(image.shape):
        window = image[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        out[y, x] = window.sum(dtype=t) / t(window.size)
    return out


def gelu(x, t):
    inner = t(0.7978845608028654) * (x + t(0.044715) * x * x * x)
    return (t(0.5) * x * (t(1) + np.tanh(inner, dtype=t))).astype(t)


def histogram(x, bins):
    return np.array([(x == value).sum() for value in range(bins)])


def layer_norm(x, gamma, beta, eps, t):
    centred = x - x.mean(axis=1, keepdims=True, dtype=t)
    return centred / np.sqrt(centred.var(axis=1, keepdims=True, dtype=t) + t(eps)) * gamma + beta


def matmul(a, b, t):
    total = np.zeros((a.shape[0], b.shape[1]), t)
    for i in range(a.shape[1]):
        total = (total + a[:, i : i + 1] * b[i]).astype(t)
    return total


def nbody(position, mass, softening, t):
    total = np.zeros_like(position, t)
    for other, m in zip(position, mass, strict=True):
        apart = other - position
        square = (apart * apart).sum(axis=1, keepdims=True, dtype=t) + t(softening)
        total = (total + m * apart / (square * np.sqrt(square))).astype(t)
    return total


def rms_norm(x, weight, t):
    wide = x.astype(F)
    return (wide / np.sqrt((wide * wide).mean(axis=1, keepdims=True, dtype=t) + t(1e-5)) * weight.astype(F)).astype(np.float16)


def row_softmax(x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True), dtype=t)
    return e / e.sum(axis=1, keepdims=True, dtype=t)


def spmv_csr(starts, columns, values, x, t):
    y = np.zeros(len(starts) - 1, t)
    for row in range(len(y)):
        for i in range(starts[row], starts[row + 1]):
            y[row] += t(values[i]) * t(x[columns[i]])
    return y


def stencil_2d(u, alpha, t):
    v = u.astype(t)
    for y in range(1, u.shape[0] - 1):
        around = u[y - 1, 1:-1] + u[y + 1, 1:-1] + u[y, :-2] + u[y, 2:]
        v[y, 1:-1] = u[y, 1:-1] + t(alpha) * (around - t(4) * u[y, 1:-1])
    return v


# An independent implementation of every task in precision t; arguments as the task names them.
AGAIN = {
    "attention_row": lambda t, q, k, v, **_: attention_row(q.astype(t), k.astype(t), v.astype(t), t),
    "box_blur": lambda t, image, radius, **_: box_blur(image.astype(t), radius, t),
    "gelu": lambda t, x, **_: gelu(x.astype(t), t),
    "gemv": lambda t, a, x, y, beta, **_: matmul(a.astype(t), x.astype(t)[:, None], t)[:, 0] + t(beta) * y.astype(t),
    "histogram": lambda t, x, bins, **_: histogram(x, bins),
    "layer_norm": lambda t, x, gamma, beta, eps, **_: layer_norm(x.astype(t), gamma.astype(t), beta.astype(t), eps, t),
    "matmul": lambda t, a, b, **_: matmul(a.astype(t), b.astype(t), t),
    "nbody": lambda t, position, mass, softening, **_: nbody(position.astype(t), mass.astype(t), softening, t),
    "prefix_sum": lambda t, x, **_: np.cumsum(x.astype(t), dtype=t),
    "reduction": lambda t, x, **_: np.cumsum(x.astype(t), dtype=t)[-1:],
    "rms_norm": lambda t, x, weight, **_: rms_norm(x, weight, t),
    "row_softmax": lambda t, x, **_: row_softmax(x.astype(t), t),
    "spmv_csr": lambda t, starts, columns, values, x, **_: spmv_csr(starts, columns, values, x, t),
    "stencil_2d": lambda t, u, alpha, **_: stencil_2d(u.astype(t), alpha, t),
    "transpose": lambda t, x, **_: np.array([[row[c] for row in x.astype(t)] for c in range(x.shape[1])]),
}
EXACT_ANYWAY = ("histogram",)


def worst(task: Task, folder: Path, precision: type, seed: int) -> dict[str, float]:
    """The worst error over its gate for each small call, for the implementation above in `precision`."""
    (output,) = task.outputs
    found = {}
    for planned in prepare(task, folder, f"seed {seed}").calls:
        with np.errstate(all="ignore"):
            values = np.asarray(AGAIN[task.name](precision, **{**planned.call.values, **planned.inputs()}))
        limits = gate(task, planned.case, output.dtype) if output.dtype.is_float else None
        expected = reference.compute(task, planned)[output.name]
        assert values.shape == expected.values.shape
        found[planned.call.label] = compare(output.name, encode(values, output.dtype), output.dtype, expected, limits).worst
    return found


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_honest_float32_computation_passes(tmp_path: Path, name: str, seed: int) -> None:
    found = worst(TASKS[name], tmp_path, np.float32, seed)
    assert max(found.values()) < 1, found


@pytest.mark.parametrize("name", [name for name in TASKS if name not in EXACT_ANYWAY])
def test_a_computation_in_half_precision_fails(tmp_path: Path, name: str) -> None:
    found = worst(TASKS[name], tmp_path, np.float16, 0)
    assert max(found.values()) > 1, found


TRIVIAL = {
    "zeros": np.zeros_like,
    "the mean everywhere": lambda y: np.full_like(y, y.mean()),
    "the first half": lambda y: np.where(np.arange(y.size).reshape(y.shape) < y.size // 2, y, 0),
    "all but the last element": lambda y: np.where(np.arange(y.size).reshape(y.shape) < y.size - 1, y, 0),
    "one per cent more": lambda y: np.asarray(y * 1.01 + (y.dtype.kind == "i")),
    "upside down": lambda y: y[::-1],
    "shifted by one": lambda y: np.roll(y, 1),
}


@pytest.mark.parametrize("answer", TRIVIAL)
@pytest.mark.parametrize("name", TASKS)
def test_a_trivial_answer_fails_on_every_distribution(tmp_path: Path, name: str, answer: str) -> None:
    task = TASKS[name]
    (output,) = task.outputs
    if task.shape(output, task.cases[0]) == (1,) and answer not in ("zeros", "one per cent more"):
        pytest.skip("a single number has no parts to confuse")
    for distribution in task.distributions:
        ratios = []
        for planned in prepare(task, tmp_path, "seed 0").calls:
            if planned.distribution is distribution:
                expected = reference.compute(task, planned)[output.name]
                limits = gate(task, planned.case, output.dtype) if output.dtype.is_float else None
                raw = encode(TRIVIAL[answer](expected.values), output.dtype)
                ratios.append(compare(output.name, raw, output.dtype, expected, limits).worst)
        assert max(ratios) > 1, (distribution, ratios)


@pytest.mark.parametrize("name", TASKS)
def test_every_input_matters(tmp_path: Path, name: str) -> None:
    """No input can be left unread, and the answer to one call is not the answer to another."""
    task = TASKS[name]
    planned = max(prepare(task, tmp_path, "seed 0").calls, key=lambda p: sum(np.prod(s) for s in p.shapes.values()))
    exact = reference.compute(task, planned)
    for arg in task.inputs:
        if arg.dtype.is_float or arg.name == "x":
            changed = _without(planned, arg)
            moved = reference.evaluate(task, planned, changed)
            assert any(not np.allclose(moved[o.name], exact[o.name].values, rtol=1e-3) for o in task.outputs), arg.name


def _without(planned, arg: Arg) -> dict[str, np.ndarray]:
    return {name: np.zeros_like(values) if name == arg.name else values for name, values in planned.inputs().items()}


@pytest.mark.parametrize("name", TASKS)
def test_cases_are_for_both_scales(name: str) -> None:
    """One timed case that fills a GPU, and small ones, ragged among them, that an emulated device runs in a moment."""
    task = TASKS[name]
    (timed,) = task.timed_cases
    small = [case for case in task.cases if not case.timed]
    assert elements(task, timed) >= 1 << 14
    assert len(small) >= 3 and sum(elements(task, case) for case in small) < 1 << 18
    assert any(all(extent % 4 for extent in case.sizes.values()) for case in small)
    assert any(min(case.sizes.values()) < 32 for case in small)


def elements(task: Task, case: Case) -> int:
    return sum(int(np.prod(task.shape(arg, case))) for arg in task.args if arg.is_tensor)


@pytest.mark.parametrize("name", TASKS)
def test_costs_cover_inputs_and_outputs(name: str) -> None:
    """Irreducible traffic: every tensor once each way, no more than the tensors hold twice over."""
    task = TASKS[name]
    (case,) = task.timed_cases
    held = sum(int(np.prod(task.shape(arg, case))) * arg.dtype.size for arg in task.args if arg.is_tensor)
    assert task.cost.bytes is not None and task.cost.flops is not None
    assert held * 0.99 <= task.cost.bytes.evaluate(task.values(case)) <= held * 1.01 + sum(case.sizes.values()) * 4


@pytest.mark.parametrize("name", TASKS)
def test_the_baseline_is_what_the_task_says(name: str) -> None:
    task = TASKS[name]
    assert task.suite == "core" and task.notes and task.reference is not None
    if task.form is Form.KERNELS:
        plan = source.launch_plan(task.baseline)
        values = task.values(task.timed_cases[0])
        blocks = [np.prod([d.integer(values) for d in launch.grid]) for launch in plan.launches]
        assert max(blocks) > 132  # more than a large GPU has multiprocessors
        known = {arg.name for arg in task.args} | {buffer.name for buffer in plan.scratch}
        assert all(arg in known for launch in plan.launches for arg in launch.args)
    else:
        assert f'extern "C" void {task.entry}(' in task.baseline
        signature = task.baseline.split(f"void {task.entry}(")[1].split(")")[0]
        assert [part.split()[-1] for part in signature.split(",")] == [arg.name for arg in task.args]


def test_there_are_tasks_of_both_forms_of_cuda_and_several_types() -> None:
    assert {task.form for task in TASKS.values()} == {Form.LAUNCHER, Form.KERNELS}  # a torch task is read from a problem's file
    assert {DType.F32, DType.F16, DType.I32} <= {arg.dtype for task in TASKS.values() for arg in task.outputs}
    assert len(TASKS) >= 14


@pytest.mark.skipif(NVCC is None, reason="no nvcc, neither a toolkit's nor the wheels'")
@pytest.mark.parametrize("name", TASKS)
def test_nvcc_accepts_the_baseline_without_a_warning(tmp_path: Path, name: str) -> None:
    (tmp_path / "k.cu").write_text(TASKS[name].baseline)
    command = [str(NVCC.path), "-arch=sm_90", "-Werror=all-warnings", "-cubin", "-o", "k.cubin", "k.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
