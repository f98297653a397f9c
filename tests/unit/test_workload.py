"""The calls of a task and their contents."""

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from numpy_lab import matrix_task

from kernelsearch import contents, workload
from kernelsearch.device.base import Sample
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
        (case, distribution) for case in ("row", "ragged") for distribution in ("normal", "spikes")
    ]
    assert [p.case.name for p in prepared.timed] == ["big"]
    assert [(p.case.name, p.distribution.value) for p in prepared.samples()] == [
        ("big", distribution) for distribution in ("normal", "normal", "spikes")
    ]
    labels = [p.call.label for p in (*prepared.calls, *prepared.timed, *prepared.samples()[1:])]
    assert len(set(labels)) == len(labels)


def test_a_task_with_timed_cases_only_is_still_verified(tmp_path: Path) -> None:
    task = matrix_task(cases=(Case(name="only", sizes={"rows": 2, "cols": 3}, timed=True),))
    assert [p.case.name for p in workload.prepare(task, tmp_path, "s").calls] == ["only", "only"]


def test_a_large_timed_case_is_verified_on_fewer_distributions(tmp_path: Path, monkeypatch) -> None:
    """Never on less than two contents; on twice as many under suspicion."""
    task = matrix_task(distributions=(Distribution.NORMAL, Distribution.SPIKES, Distribution.UNIFORM, Distribution.POSITIVE))
    found = {}
    for expected in (1, 3, 100):
        monkeypatch.setattr(workload, "_SAMPLES_BYTES", expected * 64 * 48 * 8)
        prepared = workload.prepare(task, tmp_path, "s")
        found[expected] = [p.distribution.value for p in prepared.samples()]
        assert len(prepared.samples(twice=True)) == 2 * len(prepared.samples())
        keys = {p.key for p in prepared.samples(twice=True)}
        assert len(keys) == len(prepared.samples(twice=True))
    assert found == {1: ["normal"] * 2, 3: ["normal", "normal", "spikes"], 100: ["normal", "normal", "spikes", "uniform"]}


def test_the_first_sample_is_the_timed_call_itself(tmp_path: Path) -> None:
    prepared = workload.prepare(matrix_task(), tmp_path, "s", draws=True)
    (timed,), samples = prepared.timed, prepared.samples()
    assert samples[0].key == timed.key == timed.call.key
    assert workload.sample_of(samples[2], prepared.timed) == Sample(call=0, key=samples[2].key, distribution="spikes")
    assert samples[2].distribution is Distribution.SPIKES


def test_contents_of_another_purpose_are_new_and_structure_stays(tmp_path: Path) -> None:
    prepared = workload.prepare(matrix_task(), tmp_path, "s", draws=True)
    first, again = prepared.samples(), prepared.samples("again x")
    assert not {p.key for p in first} & {p.key for p in again}
    assert [p.key for p in prepared.samples("again x")] == [p.key for p in again]
    assert not np.array_equal(first[0].inputs()["x"], again[0].inputs()["x"])
    assert all(p.call.args == prepared.timed[0].call.args for p in again)
    stored = workload.prepare(matrix_task(), tmp_path, "s")  # files of the timed call say nothing of a sample
    for drawn, other in zip(first, stored.samples(), strict=True):
        np.testing.assert_array_equal(drawn.inputs()["x"], other.inputs()["x"])
    structured = matrix_task(reference=Reference(source=WITH_INPUTS, function="scale", inputs="make"))
    files = {p.call.args[0].file for p in workload.prepare(structured, tmp_path, "s", draws=True).samples("again y")}
    assert files == {workload.prepare(structured, tmp_path, "s", draws=True).timed[0].call.args[0].file}


def test_samples_of_structured_inputs_make_no_files_that_nobody_reads(tmp_path: Path) -> None:
    structured = matrix_task(reference=Reference(source=WITH_INPUTS, function="scale", inputs="make"))
    prepared = workload.prepare(structured, tmp_path, "s", draws=True)
    before = [p.call.args[0].file for p in prepared.timed]
    prepared.samples(twice=True)
    assert list((tmp_path / "inputs").iterdir()) == before


def test_a_key_cannot_be_told_from_what_a_box_is_shown(tmp_path: Path) -> None:
    """The label names case and distribution, and depends on the secret; a key is none of its parts."""
    prepared = workload.prepare(matrix_task(), tmp_path, "s", draws=True)
    other = workload.prepare(matrix_task(), tmp_path, "t", draws=True)
    for ours, theirs in zip(prepared.calls, other.calls, strict=True):
        assert ours.call.label != theirs.call.label and ours.key != theirs.key and 0 <= ours.key < 1 << 64
        assert ours.call.label.startswith(f"{ours.case.name}/{ours.distribution.value}/")
        assert ours.call.label[-8:] not in f"{ours.key:016x}"


def test_a_device_that_draws_needs_no_files_and_gets_the_same_contents(tmp_path: Path) -> None:
    drawing, reading = (workload.prepare(matrix_task(), tmp_path / str(draws), "s", draws=draws) for draws in (True, False))
    (tmp_path / "True" / "inputs").rmdir()  # there is nothing in it, and nothing comes
    for drawn, read in zip((*drawing.calls, *drawing.timed), (*reading.calls, *reading.timed), strict=True):
        assert drawn.call.args[0].file is None and read.call.args[0].file is not None
        np.testing.assert_array_equal(drawn.inputs()["x"], read.inputs()["x"])


@pytest.mark.parametrize(("scale", "exponent"), [(1.0, 0), (2.0, 1), (1024.0, 10), (0.5, -1)])
def test_a_scale_is_a_power_of_two(tmp_path: Path, scale: float, exponent: int) -> None:
    """So that scaling rounds nothing."""
    task = matrix_task()
    plain = workload.prepare(task, tmp_path, "s").calls[0]
    scaled = dataclasses.replace(task.args[0], scale=scale)
    planned = workload.prepare(dataclasses.replace(task, args=(scaled, *task.args[1:])), tmp_path, "s", draws=True).calls[0]
    assert planned.call.args[0].recipe.exponent == exponent
    recipe = dataclasses.replace(planned.call.args[0].recipe, exponent=0)
    whole = contents.draw(recipe, planned.key, planned.distribution.value) * np.float32(2.0**exponent)
    np.testing.assert_array_equal(planned.inputs()["x"].reshape(-1), whole)
    assert plain.call.args[0].recipe.exponent == 0


def test_an_argument_may_have_a_distribution_of_its_own(tmp_path: Path) -> None:
    task = matrix_task()
    own = dataclasses.replace(task.args[0], distribution=Distribution.INTEGERS)
    for planned in workload.prepare(dataclasses.replace(task, args=(own, *task.args[1:])), tmp_path, "s").calls:
        assert set(np.unique(planned.inputs()["x"])) <= {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_contents_depend_on_everything_that_names_them_and_on_nothing_else(tmp_path: Path) -> None:
    first, again = (workload.prepare(matrix_task(), tmp_path / name, "3") for name in "ab")
    other = workload.prepare(matrix_task(), tmp_path / "c", "4")
    x, same, different = (w.calls[2].inputs()["x"] for w in (first, again, other))
    assert x.shape == (7, 13) and x.dtype == np.float32
    np.testing.assert_array_equal(x, same)
    assert not np.array_equal(x, different)
    assert len({p.key for p in (*first.calls, *first.samples(), *other.calls, *other.samples())}) == 14
    timed, verified = first.timed[0], first.samples()[1]
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
    big = workload.prepare(task, tmp_path, "s").timed[0].inputs()["x"]
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
