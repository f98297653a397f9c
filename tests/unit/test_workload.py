"""The calls of a task and their contents."""

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from numpy_lab import matrix_task

from kernelsearch import workload
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, ArgKind, Case, Distribution, DType, Expression, Reference

WITH_INPUTS = """
import numpy as np
def scale(x, rows, cols):
    return 2.0 * x
def make(rng, sizes, distribution):
    return {"x": np.full((sizes["rows"], sizes["cols"]), 1.5 if distribution == "normal" else 2.5)}
def wrong(rng, sizes, distribution):
    return {"x": np.zeros(3)}
def raises(rng, sizes, distribution):
    return {}[distribution]
"""


def test_calls_cover_every_case_and_distribution_smallest_first(tmp_path: Path) -> None:
    prepared = workload.prepare(matrix_task(), tmp_path, "s")
    assert [(p.case.name, p.distribution.value) for p in prepared.calls] == [
        (case, distribution) for case in ("row", "ragged", "big") for distribution in ("normal", "spikes")
    ]
    assert {p.case.name for p in prepared.small} == {"row", "ragged"}
    assert [p.case.name for p in prepared.timed] == ["big"]
    labels = [p.call.label for p in (*prepared.calls, *prepared.timed)]
    assert len(set(labels)) == len(labels)


def test_a_task_with_timed_cases_only_is_still_verified(tmp_path: Path) -> None:
    task = matrix_task(cases=(Case(name="only", sizes={"rows": 2, "cols": 3}, timed=True),))
    assert [p.case.name for p in workload.prepare(task, tmp_path, "s").small] == ["only", "only"]


def test_a_large_timed_case_is_verified_on_fewer_distributions(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(workload, "_FULL_CASE_BYTES", 2 * 64 * 48 * 4)
    calls = workload.prepare(matrix_task(), tmp_path, "s").calls
    assert [p.distribution for p in calls if p.case.name == "big"] == [Distribution.NORMAL]


def test_contents_depend_on_everything_that_names_them_and_on_nothing_else(tmp_path: Path) -> None:
    first, again = (workload.prepare(matrix_task(), tmp_path / name, 3) for name in "ab")
    other = workload.prepare(matrix_task(), tmp_path / "c", 4)
    x, same, different = (w.calls[2].inputs()["x"] for w in (first, again, other))
    assert x.shape == (7, 13) and x.dtype == np.float32
    np.testing.assert_array_equal(x, same)
    assert not np.array_equal(x, different)
    timed, verified = first.timed[0], next(p for p in first.calls if p.case.name == "big")
    assert not np.array_equal(timed.inputs()["x"], verified.inputs()["x"])


def test_files_are_made_once_and_read_only(tmp_path: Path) -> None:
    prepared = workload.prepare(matrix_task(), tmp_path, "s")
    file = prepared.calls[0].call.args[0].file
    before = file.stat()
    assert not before.st_mode & 0o222
    assert prepared.calls[0].call.args[0].file.stat().st_mtime_ns == before.st_mtime_ns
    assert len(list((tmp_path / "inputs").iterdir())) == len(prepared.calls)


def test_arguments_keep_their_order_and_their_values(tmp_path: Path) -> None:
    scalar = Arg(name="alpha", kind=ArgKind.SCALAR, dtype=DType.F32, value=0.1)
    task = matrix_task()
    call = workload.prepare(dataclasses.replace(task, args=(*task.args, scalar)), tmp_path, "s").calls[0].call
    assert [arg.name for arg in call.args] == ["x", "y", "rows", "cols", "alpha"]
    x, y, rows, _, alpha = call.args
    assert (x.written, y.written, y.file, y.count, rows.value) == (False, True, None, 5, 1)
    assert alpha.value == call.values["alpha"] == float(np.float32(0.1)) != 0.1


def test_inout_tensors_are_uploaded_and_come_back(tmp_path: Path) -> None:
    task = matrix_task()
    args = (dataclasses.replace(task.args[0], name="x", kind=ArgKind.INOUT), *task.args[2:])
    tensor = workload.prepare(dataclasses.replace(task, args=args), tmp_path, "s").calls[0].call.args[0]
    assert tensor.written and tensor.file is not None


@pytest.mark.parametrize("distribution", list(Distribution))
def test_distributions_have_their_shape(distribution: Distribution) -> None:
    values = workload.draw_floats(np.random.default_rng(0), distribution, (200, 100), np.float32)
    assert values.dtype == np.float32 and values.shape == (200, 100) and np.isfinite(values).all()
    low, high, deviation = values.min(), values.max(), values.std()
    match distribution:
        case Distribution.NORMAL:
            assert abs(values.mean()) < 0.05 and 0.98 < deviation < 1.02
        case Distribution.UNIFORM:
            assert -1 <= low < -0.99 and 0.99 < high < 1
        case Distribution.POSITIVE:
            assert 0.1 <= low < 0.11 and 1.09 < high < 1.1001
        case Distribution.LOGNORMAL:
            assert low > 0 and high > 10
        case Distribution.SPIKES:
            assert 15 < (values > 100).sum() + (values < -100).sum() <= 20 and low < -100 and high > 100
        case Distribution.INTEGERS:
            assert set(np.unique(values)) == {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_integers_fill_their_range(tmp_path: Path) -> None:
    x = Arg(
        name="x",
        kind=ArgKind.INPUT,
        dtype=DType.I32,
        shape=(Expression("rows"), Expression("cols")),
        low=Expression("-3"),
        high=Expression("rows"),
    )
    task = matrix_task(reference=None)
    task = dataclasses.replace(task, args=(x, *task.args[1:]))
    big = next(p for p in workload.prepare(task, tmp_path, "s").calls if p.case.name == "big").inputs()["x"]
    assert (big.min(), big.max(), big.dtype) == (-3, 63, np.int32)
    empty = dataclasses.replace(task, args=(dataclasses.replace(x, low=Expression("rows")), *task.args[1:]))
    with pytest.raises(UsageError, match="'x' has no value in"):
        _ = workload.prepare(empty, tmp_path, "s").calls


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_halves_are_rounded_to_nearest_even(dtype: DType) -> None:
    step = 2.0**-dtype.mantissa_bits
    values = np.array([1.0 + step / 2, 1.0 + 1.5 * step, 1.0 + 0.51 * step, -3.0, 0.0])
    back = workload.decode(workload.encode(values, dtype), dtype, (5,))
    np.testing.assert_array_equal(back.astype(np.float64), [1.0, 1.0 + 2 * step, 1.0 + step, -3.0, 0.0])


def test_structured_inputs_come_from_the_reference(tmp_path: Path) -> None:
    task = matrix_task(reference=Reference(source=WITH_INPUTS, function="scale", inputs="make"))
    normal, spikes = workload.prepare(task, tmp_path, "s").calls[:2]
    assert (normal.inputs()["x"] == 1.5).all() and (spikes.inputs()["x"] == 2.5).all()


@pytest.mark.parametrize(
    ("function", "complaint"),
    [("wrong", r"input 'x' has shape \(3,\), not \(1, 5\)"), ("raises", "line 10: raises raised KeyError"), ("gone", "no function 'gone'")],
)
def test_faulty_structured_inputs_are_the_users(tmp_path: Path, function: str, complaint: str) -> None:
    task = matrix_task(reference=Reference(source=WITH_INPUTS, function="scale", inputs=function))
    with pytest.raises(UsageError, match=f"user/matrix/reference.py.*{complaint}"):
        _ = workload.prepare(task, tmp_path, "s").calls


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="cannot keep 20 bytes of inputs or expected values there: No space left on device"):
        _ = workload.prepare(matrix_task(), tmp_path, "s").calls
    assert not list((tmp_path / "inputs").iterdir())


def test_contents_that_fit_in_no_memory_are_said(tmp_path: Path) -> None:
    huge = Case(name="huge", sizes={"rows": 1 << 30, "cols": 1 << 30}, timed=True)
    with pytest.raises(UsageError, match=r"case 'huge': no memory for 'x' of shape \(1073741824, 1073741824\)"):
        _ = workload.prepare(matrix_task(cases=(huge,)), tmp_path, "s").timed
