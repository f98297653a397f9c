"""From a build to a verdict, with a device that computes in NumPy."""

from pathlib import Path

import numpy as np
import pytest
from numpy_lab import BUILD, SCALE, SUM_ROWS, FakeToolchain, NumpyDevice, lab, matrix_task

from kernelsearch import verify
from kernelsearch.errors import BaselineFailed, UsageError
from kernelsearch.model import Build, Distribution, DType, TimeKind, Verdict
from kernelsearch.workload import prepare


def double(x, **sizes):
    return {"y": 2 * x}


def test_a_right_kernel_passes_in_one_job(tmp_path: Path) -> None:
    device = NumpyDevice(double)
    result = verify.run(BUILD, matrix_task(), lab(tmp_path, device))
    assert (result.verdict, result.detail) == (Verdict.PASSED, "")
    assert [(c.case, c.distribution) for c in result.checks] == [(c, d) for c in ("row", "ragged") for d in ("normal", "spikes")]
    assert len(device.jobs) == 1


def test_timed_cases_are_verified_at_full_speed_only(tmp_path: Path) -> None:
    result = verify.run(BUILD, matrix_task(), lab(tmp_path, NumpyDevice(double, TimeKind.MEASURED)))
    assert [c.case for c in result.checks] == ["row", "row", "ragged", "ragged", "big", "big"]


def test_a_wrong_kernel_ends_at_the_first_wrong_call(tmp_path: Path) -> None:
    def wrong_when_ragged(x, rows, cols):
        return {"y": np.where(rows > 1, 2.002, 2.0) * x}

    result = verify.run(BUILD, matrix_task(), lab(tmp_path, NumpyDevice(wrong_when_ragged)))
    assert result.verdict is Verdict.WRONG
    assert [c.verdict for c in result.checks] == [Verdict.PASSED, Verdict.PASSED, Verdict.WRONG]
    assert result.checks[-1].where.startswith("y[") and result.checks[-1].max_error > 1
    assert result.detail.endswith("(case ragged, normal inputs)") and "first in row 0" in result.detail


def test_what_the_device_says_is_the_verdict(tmp_path: Path) -> None:
    for failure in (Verdict.CRASHED, Verdict.CHEATED, Verdict.NONDETERMINISTIC):
        result = verify.run(BUILD, matrix_task(), lab(tmp_path, NumpyDevice(double, failure=failure)))
        assert (result.verdict, result.detail, result.checks) == (failure, "as told", ())


def test_timed_outputs_are_checked_like_the_others(tmp_path: Path) -> None:
    task, device = matrix_task(), NumpyDevice(double)
    worker = lab(tmp_path, device)
    (timed,) = prepare(task, tmp_path, 0).timed
    assert verify.check(task, timed, device._call(timed.call), worker).verdict is Verdict.PASSED
    stale = NumpyDevice(lambda x, **sizes: {"y": np.zeros_like(x)})._call(timed.call)
    assert verify.check(task, timed, stale, worker).verdict is Verdict.WRONG
    assert verify.check(task, timed, None, worker).verdict is Verdict.CRASHED


def test_without_a_reference_the_baseline_is_run_once(tmp_path: Path) -> None:
    device, toolchain = NumpyDevice(double), FakeToolchain()
    worker, task = lab(tmp_path, device, toolchain), matrix_task(reference=None)
    for _ in range(2):
        assert verify.run(BUILD, task, worker).verdict is Verdict.PASSED
    assert (toolchain.built, len(device.jobs)) == (1, 3)
    device.kernel = lambda x, **sizes: {"y": 2.001 * x}
    assert verify.run(BUILD, task, worker).verdict is Verdict.WRONG


@pytest.mark.parametrize(
    ("device", "toolchain", "complaint"),
    [
        (
            NumpyDevice(double),
            FakeToolchain(Build(ok=False, toolchain="t", failure=Verdict.BUILD_FAILED, log="k.cu:3")),
            "build failed: k.cu:3",
        ),
        (NumpyDevice(lambda x, **sizes: {"y": x * np.nan}), FakeToolchain(), "unwritten or not finite in row/normal"),
        (NumpyDevice(lambda x, **sizes: {"y": x[:1]}), FakeToolchain(), "gave 4 bytes for y"),
    ],
)
def test_a_baseline_that_cannot_be_a_reference_is_said(tmp_path: Path, device, toolchain, complaint: str) -> None:
    with pytest.raises(BaselineFailed, match=complaint):
        verify.run(BUILD, matrix_task(reference=None), lab(tmp_path, device, toolchain))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (SCALE.replace("2.0 * x", "x[0]"), r"y has shape \(5,\), not \(1, 5\)"),
        (SCALE.replace("2.0 * x", "x / 0"), "normal inputs: y has values that are not finite"),
        (SCALE.replace("2.0 * x", "{'z': x}"), "returned z instead of y"),
        (SCALE.replace("2.0 * x", "'words'"), r"y has shape \(\), not"),
        (SCALE.replace("2.0 * x", "1e39 * x"), "y reaches .*e\\+39, which f32 cannot hold"),
        (SCALE.replace("2.0 * x", "y"), "line 3: scale raised NameError: name 'y' is not defined"),
        (SCALE.replace("(x, rows, cols)", "(x)"), "scale raised TypeError"),
        (SCALE.replace("return", "retrun"), "line 3: SyntaxError"),
        ("import gone_module", "line 1: ModuleNotFoundError"),
        ("", "no function 'scale' in it"),
    ],
)
def test_a_faulty_reference_is_the_users(tmp_path: Path, source: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=f"user/matrix/reference.py.*{complaint}"):
        verify.run(BUILD, matrix_task(source=source), lab(tmp_path, NumpyDevice(double)))


def test_an_input_at_the_edge_of_the_domain_is_no_fault(tmp_path: Path) -> None:
    """The reference is also run on inputs moved by a unit roundoff, of which some leave the domain here."""
    source = "import numpy as np\ndef scale(x, rows, cols):\n    return np.sqrt(1.0 - np.clip(np.abs(x), 0, 1) - (np.abs(x) > 2))\n"
    task = matrix_task(source=source, distributions=(Distribution.INTEGERS,))
    device = NumpyDevice(lambda x, **sizes: {"y": np.sqrt(1 - np.clip(np.abs(x), 0, 1))})
    assert verify.run(BUILD, task, lab(tmp_path, device)).verdict is Verdict.PASSED


def test_integer_outputs_must_be_whole(tmp_path: Path) -> None:
    task = matrix_task(dtype=DType.I32, source=SCALE.replace("2.0", "0.5"))
    with pytest.raises(UsageError, match="y has values that i32 cannot hold"):
        verify.run(BUILD, task, lab(tmp_path, NumpyDevice(double)))
    assert verify.run(BUILD, matrix_task(dtype=DType.I32), lab(tmp_path, NumpyDevice(double))).verdict is Verdict.PASSED


def test_a_reference_sees_what_the_candidate_got(tmp_path: Path) -> None:
    """Half-precision inputs are rounded before the reference reads them."""
    task = matrix_task(dtype=DType.F16, source=SUM_ROWS, function="sum_rows", out=("rows",))

    def sum_rows(x, rows, cols):
        return {"y": x.reshape(rows, cols).astype(np.float32).sum(axis=1)}

    assert verify.run(BUILD, task, lab(tmp_path, NumpyDevice(sum_rows))).verdict is Verdict.PASSED


def test_expected_values_are_kept_in_a_private_folder(tmp_path: Path) -> None:
    device = NumpyDevice(double)
    verify.run(BUILD, matrix_task(), lab(tmp_path, device))
    private = tmp_path / "expected"
    assert private.stat().st_mode & 0o077 == 0
    named = [arg.file for job in device.jobs for call in job.calls for arg in call.args if getattr(arg, "file", None)]
    assert named and all(private not in file.parents for file in named)
    before = {file: file.stat().st_mtime_ns for file in private.iterdir()}
    verify.run(BUILD, matrix_task(), lab(tmp_path, device))
    assert before == {file: file.stat().st_mtime_ns for file in private.iterdir()}
