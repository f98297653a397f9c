"""From a build to a verdict, with a device that computes in NumPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy_lab import BUILD, SCALE, SUM_ROWS, FakeToolchain, NumpyDevice, lab, matrix_task

from kernelsearch import verify
from kernelsearch.device.base import CallResult, JobResult
from kernelsearch.errors import BaselineFailed, UsageError
from kernelsearch.model import Build, Case, Distribution, DType, TimeKind, Verdict
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
    """By the outputs of timed calls, whatever the device; unless there are no other cases."""
    for kind in TimeKind:
        result = verify.run(BUILD, matrix_task(), lab(tmp_path, NumpyDevice(double, kind)))
        assert [c.case for c in result.checks] == ["row", "row", "ragged", "ragged"]
    only = matrix_task(cases=(Case(name="big", sizes={"rows": 64, "cols": 48}, timed=True),))
    assert [c.case for c in verify.run(BUILD, only, lab(tmp_path, NumpyDevice(double))).checks] == ["big", "big"]


def test_a_device_that_draws_gets_no_files_and_is_judged_on_the_same_contents(tmp_path: Path) -> None:
    given = {}
    for draws in (False, True):
        device = NumpyDevice(lambda x, draws=draws, **sizes: given.setdefault(draws, []).append(x) or double(x), draws=draws)
        worker = lab(tmp_path / str(draws), device)
        (tmp_path / str(draws)).mkdir()
        assert verify.run(BUILD, matrix_task(), worker).verdict is Verdict.PASSED
        assert all((call.args[0].file is None) == draws for job in device.jobs for call in job.calls)
    assert len(given[True]) == 4
    for drawn, read in zip(given[True], given[False], strict=True):
        np.testing.assert_array_equal(drawn, read)


def test_nothing_more_is_asked_of_a_kernel_that_is_wrong_on_the_smallest_call(tmp_path: Path) -> None:
    asked = []
    device = NumpyDevice(lambda x, **sizes: asked.append(sizes) or {"y": 2.1 * x})
    result = verify.run(BUILD, matrix_task(), lab(tmp_path, device))
    assert (result.verdict, len(result.checks), asked) == (Verdict.WRONG, 1, [{"rows": 1, "cols": 5}])


def test_a_device_is_asked_for_nothing_while_it_serves_a_job(tmp_path: Path) -> None:
    """The baseline's outputs, which are the expected ones here, are a job as well: it would wait for this one for ever."""
    device, serving = NumpyDevice(double), []
    whole = device.run

    def alone(job, rung=None):
        assert not serving
        serving.append(job)
        try:
            return whole(job, rung)
        finally:
            serving.pop()

    device.run = alone
    result = verify.run(BUILD, matrix_task(reference=None), lab(tmp_path, device))
    assert result.verdict is Verdict.PASSED and len(device.jobs) == 2


def test_a_call_without_a_result_is_a_crash(tmp_path: Path) -> None:
    device = NumpyDevice(double)
    whole = device.run
    device.run = lambda job, rung=None: replace(whole(job, rung), calls=whole(job).calls[:-1])
    result = verify.run(BUILD, matrix_task(), lab(tmp_path, device))
    assert [c.verdict for c in result.checks] == [Verdict.PASSED] * 3 + [Verdict.CRASHED]
    assert result.detail == "the program ended before it returned its outputs (case ragged, spikes inputs)"
    device.run = lambda job, rung=None: JobResult()
    assert verify.run(BUILD, matrix_task(), lab(tmp_path, device)).verdict is Verdict.CRASHED


def test_a_second_result_of_a_call_must_be_right_too(tmp_path: Path) -> None:
    """A device gives one where the call put out other bits the second time."""
    device = NumpyDevice(double)
    whole = device.run
    for second, verdict in ((2.0, Verdict.PASSED), (2.1, Verdict.WRONG)):

        def twice(job, rung=None, second=second):
            device.kernel = double
            first = whole(job, rung)
            device.kernel = lambda x, **sizes: {"y": second * x}
            return replace(first, calls=(*first.calls, whole(job).calls[-1]))

        device.run = twice
        result = verify.run(BUILD, matrix_task(), lab(tmp_path, device))
        assert result.verdict is verdict and len(result.checks) == 5


def test_another_trial_has_contents_that_none_had_before(tmp_path: Path) -> None:
    seen = []
    device = NumpyDevice(lambda x, **sizes: seen.append(x.tobytes()) or double(x))
    for again in ("", "", "a", "b"):
        assert verify.run(BUILD, matrix_task(), lab(tmp_path, device), again=again).verdict is Verdict.PASSED
    assert len(seen) == 16 and len(set(seen)) == 12


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
    (timed,) = prepare(task, tmp_path, "secret").timed
    assert verify.check(task, timed, device._call(timed.call), worker).verdict is Verdict.PASSED
    stale = NumpyDevice(lambda x, **sizes: {"y": np.zeros_like(x)})._call(timed.call)
    assert verify.check(task, timed, stale, worker).verdict is Verdict.WRONG
    assert verify.check(task, timed, CallResult(label=timed.call.label), worker).verdict is Verdict.WRONG


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
        (SCALE.replace("2.0 * x", "1e40 * x"), "y reaches .*e\\+40, which f32 cannot hold"),
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
