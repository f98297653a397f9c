"""The sparse and the scientific suite: matrices are what they are said to be, references agree with dense formulas, gates hold."""

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kernelsearch import catalog
from kernelsearch.admission import admit
from kernelsearch.model import Case, DType, Task
from kernelsearch.toolchain.locate import find_nvcc
from kernelsearch.verify import reference
from kernelsearch.verify.compare import compare
from kernelsearch.verify.tolerance import gate
from kernelsearch.workload import Planned, encode, prepare

NVCC = find_nvcc()
TASKS = {task.name: task for suite in ("sparse", "scientific") for task in catalog.tasks(suite)}
SPARSE = [name for name in TASKS if name.startswith("sp")]
L2_BYTES = 50 << 20  # of an H100


def calls(name: str, folder: Path, secret: str = "seed 0") -> list[Planned]:
    """The small calls of a task on its first distribution."""
    task = TASKS[name]
    return [planned for planned in prepare(task, folder, secret).calls if planned.distribution is task.distributions[0]]


def entries(name: str, given: dict[str, np.ndarray]) -> list[tuple[int, int, int]]:
    """(row, column, place of the value) of every entry, read from the format with no help from the reference."""
    kind = name.split("_")[1]
    if kind == "coo":
        return [(int(r), int(c), i) for i, (r, c) in enumerate(zip(given["row_of"], given["columns"], strict=True))]
    if kind == "ell":
        slots, width = given["columns"], given["columns"].shape[1]
        return [(r, int(c), r * width + s) for r, row in enumerate(slots) for s, c in enumerate(row) if c >= 0]
    other = given["columns" if kind == "csr" else "row_of"]
    pairs = [(line, int(other[i]), i) for line, (a, b) in enumerate(pairwise(given["starts"])) for i in range(a, b)]
    return pairs if kind == "csr" else [(row, column, i) for column, row, i in pairs]


@pytest.mark.parametrize("name", [name for name in SPARSE if not name.endswith("bf16")])
def test_a_sparse_product_is_that_of_the_dense_matrix(tmp_path: Path, name: str) -> None:
    for planned in calls(name, tmp_path):
        given, sizes = planned.inputs(), planned.case.sizes
        found = entries(name, given)
        dense = np.zeros((sizes["rows"], sizes["cols"]))
        for row, column, place in found:
            dense[row, column] += given["values"].reshape(-1)[place]
        assert len(found) == len({(r, c) for r, c, _ in found}) == sizes["nonzeros"]  # none comes twice
        factor = given["x" if "x" in given else "b"].astype(np.float64)
        (output,) = reference.compute(TASKS[name], planned).values()
        np.testing.assert_allclose(output.values, dense @ factor, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["spmv_coo", "spmv_csr", "spmv_csc", "spmm_ell"])
def test_rows_are_uneven_and_in_order_and_no_two_draws_are_alike(tmp_path: Path, name: str) -> None:
    across = 1 if name == "spmv_csc" else 0  # the compressed direction
    for planned, other in zip(calls(name, tmp_path), calls(name, tmp_path, "seed 1"), strict=True):
        sizes, found = planned.case.sizes, entries(name, planned.inputs())
        lengths = np.bincount([entry[across] for entry in found], minlength=sizes["cols" if across else "rows"])
        assert lengths.max() == sizes.get("longest", sizes.get("width"))
        if len(lengths) > 200:
            assert (lengths == 0).any() and lengths.max() > 1.2 * lengths.mean()
        assert all(a[across] < b[across] or a[1 - across] < b[1 - across] for a, b in pairwise(found))
        if min(sizes["rows"], sizes["cols"]) > 1:
            assert found != entries(name, other.inputs())


def transformed(x: np.ndarray) -> np.ndarray:
    n = x.shape[1] // 2
    turns = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
    found = (x[:, 0::2] + 1j * x[:, 1::2]) @ turns
    return np.stack([found.real, found.imag], axis=2).reshape(x.shape)


def weighted(u: np.ndarray, weights: np.ndarray, offsets: list[tuple[int, ...]]) -> np.ndarray:
    v = u.copy()
    for at in np.ndindex(u.shape):
        if all(0 < i < extent - 1 for i, extent in zip(at, u.shape, strict=True)):
            v[at] = sum(w * u[tuple(np.add(at, o))] for w, o in zip(weights, offsets, strict=True))
    return v


def estimated(points: np.ndarray, centres: np.ndarray, scales: np.ndarray) -> list[float]:
    return [
        2.0 ** len(c) * sum(np.exp(-sum((s * (p - c)) ** 2)) for p in cloud) / len(cloud)
        for cloud, c, s in zip(points, centres, scales, strict=True)
    ]


def panel_by_panel(samples: np.ndarray, bounds: np.ndarray, waves: np.ndarray) -> list[float]:
    totals = []
    for row, (a, b), (w, p) in zip(samples, bounds, waves, strict=True):
        f = row * np.cos(w * np.linspace(a, b, len(row)) + p)
        h = (b - a) / (len(row) - 1)
        totals.append(sum(h / 3 * (f[i] + 4 * f[i + 1] + f[i + 2]) for i in range(0, len(row) - 2, 2)))
    return totals


SQUARE = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
STAR = [(0, 0, 0), (-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)]
AGAIN = {
    "fft": transformed,
    "stencil_2d": lambda u, weights: weighted(u, weights, SQUARE),
    "stencil_3d": lambda u, weights: weighted(u, weights, STAR),
    "monte_carlo_int": estimated,
    "simpson_int": panel_by_panel,
}


@pytest.mark.parametrize("name", AGAIN)
def test_a_scientific_reference_agrees_with_the_formula_written_again(tmp_path: Path, name: str) -> None:
    for planned in calls(name, tmp_path)[:4]:
        (output,) = reference.compute(TASKS[name], planned).values()
        again = np.asarray(AGAIN[name](*(values.astype(np.float64) for values in planned.inputs().values())))
        np.testing.assert_allclose(output.values, again, rtol=1e-9, atol=1e-9 * np.abs(again).max())


@pytest.mark.parametrize("name", TASKS)
def test_cases_are_for_both_scales_and_cover_the_odd_ones(name: str) -> None:
    task = TASKS[name]
    (timed,) = task.timed_cases
    small = [case for case in task.cases if not case.timed]
    assert held(task, timed) > (1 if DType.F32 in {arg.dtype for arg in task.inputs} else 0.8) * L2_BYTES
    assert len(small) >= 4 and all(sum(elements(task, case)) < 1 << 17 for case in small)
    assert any(1 in case.sizes.values() for case in small)
    if not name.startswith("fft"):  # whose lengths are powers of two
        assert any(all(extent % 4 for extent in case.sizes.values()) for case in small)
    assert task.cost.bytes is not None and task.cost.flops is not None
    padding = held(task, timed) - 5 * timed.sizes["nonzeros"] if "_ell" in name else held(task, timed)
    assert 0.5 * padding < task.cost.bytes.evaluate(task.values(timed)) <= 1.001 * held(task, timed)
    assert task.cost.flops.evaluate(task.values(timed)) > timed.sizes.get("nonzeros", 1 << 20)


def elements(task: Task, case: Case) -> list[int]:
    return [int(np.prod(task.shape(arg, case))) for arg in task.args if arg.is_tensor]


def held(task: Task, case: Case) -> int:
    tensors = [arg for arg in task.args if arg.is_tensor]
    return sum(count * arg.dtype.size for count, arg in zip(elements(task, case), tensors, strict=True))


@pytest.mark.parametrize("name", TASKS)
def test_an_operator_stands_in_both_types_and_is_entered_as_its_arguments_say(name: str) -> None:
    task, single = TASKS[name], TASKS[name.removesuffix("_bf16")]
    narrow = name.endswith("_bf16")
    assert f"{single.name}_bf16" in TASKS and len(TASKS) == 26
    assert task.reference == single.reference and task.cases == single.cases and task.yardstick is not None and task.notes + single.notes
    assert {arg.dtype for arg in task.inputs} - {DType.I32} == {DType.BF16 if narrow else DType.F32}
    assert not narrow or "float sum = " in task.baseline or "atomicAdd" in task.baseline or "float2 values" in task.baseline
    signature = " ".join(task.baseline.split('extern "C" void solve(')[1].split(")")[0].split())
    assert [part.split()[-1] for part in signature.split(",")] == [arg.name for arg in task.args]


@pytest.mark.parametrize("name", ["spmv_csc", "fft"])
def test_a_task_is_admitted_with_contents_of_another_seed(tmp_path: Path, name: str) -> None:
    found = admit(TASKS[name], tmp_path, seed=77)
    assert found.admitted, found.faults


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name].yardstick.library == "torch" and not name.endswith("csr_bf16")])
def test_what_a_library_computes_passes_too(tmp_path: Path, name: str) -> None:
    """On the CPU, where torch multiplies no compressed rows of bfloat16."""
    torch = pytest.importorskip("torch")
    task, planned = TASKS[name], calls(name, tmp_path)[3]
    (output,) = task.outputs
    types = {DType.F32: torch.float32, DType.BF16: torch.bfloat16, DType.I32: torch.int32}
    given = {n: torch.from_numpy(np.array(v)).to(types[task.arg(n).dtype]) for n, v in planned.inputs().items()}
    space: dict[str, object] = {}
    exec(task.yardstick.source, space)
    found = space[task.yardstick.function](torch, **given, **planned.call.values)
    assert found.dtype == types[output.dtype] and tuple(found.shape) == planned.shapes[output.name]
    limits, expected = gate(task, planned.case, output.dtype), reference.compute(task, planned)[output.name]
    difference = compare(output.name, encode(found.float().numpy(), output.dtype), output.dtype, expected, limits)
    assert not difference.detail


@pytest.mark.skipif(NVCC is None, reason="no nvcc, neither a toolkit's nor the wheels'")
@pytest.mark.parametrize("name", ["fft_bf16"])
def test_nvcc_accepts_the_baseline_without_a_warning(tmp_path: Path, name: str) -> None:
    (tmp_path / "k.cu").write_text(TASKS[name].baseline)
    command = [str(NVCC.path), "-arch=sm_90", "-Werror=all-warnings", "-cubin", "-o", "k.cubin", "k.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
