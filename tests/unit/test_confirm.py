"""The second trial: what looks faster than the best so far must be so again, in fresh processes, on fresh contents, without hazards."""

from pathlib import Path

import pytest
from paired_lab import TASK, Kernel, PairedDevice, SourceToolchain, candidate, hazard, paired_lab

from kernelsearch import digest, guard
from kernelsearch.device.base import Mode
from kernelsearch.evaluate import Incumbent, evaluate
from kernelsearch.model import Evaluation, TimeKind, Verdict
from kernelsearch.sanitizer import SanitizerReport

BEST = candidate("// incumbent")


@pytest.fixture(autouse=True)
def nothing_suspicious(monkeypatch):
    """The fake artifacts are no binaries, which alone would ask for stricter checks."""
    monkeypatch.setattr(guard, "inspect", lambda build, task: ())


def judged(
    scratch: Path, *trials: Kernel, reports=(), kind=TimeKind.MEASURED, toolchain=None, source="// candidate"
) -> tuple[Evaluation, PairedDevice]:
    """A candidate that goes through `trials`, against an incumbent of 10 µs where the baseline takes 20."""
    kernels = {"// baseline": Kernel(us=20.0), "// incumbent": Kernel(us=10.0), source: trials}
    worker = paired_lab(scratch, PairedDevice(kernels, time_kind=kind))
    best = evaluate(BEST, TASK, worker)
    assert best.passed and best.confirmation is None, "without an incumbent there is nothing to beat"
    device = PairedDevice(kernels, time_kind=kind, reports=reports)
    incumbent = Incumbent(candidate=BEST, measurement=best.measurement)
    return evaluate(candidate(source), TASK, paired_lab(scratch, device, toolchain), incumbent), device


def test_what_is_faster_twice_is_confirmed(tmp_path: Path) -> None:
    done, _ = judged(tmp_path, Kernel(us=8.0))
    assert done.verdict is Verdict.PASSED, done.detail
    assert done.confirmation.held and done.confirmation.against == digest.candidate(BEST)
    assert done.confirmation.measurement.speedup == pytest.approx(1.25, rel=0.01), "against the incumbent"
    assert done.measurement.speedup == pytest.approx(2.5, rel=0.01), "against the baseline: what the record and the score go by"
    assert "beyond the minimum effect" in done.confirmation.detail
    assert (done.hazards, done.unsanitised) == ((), "")
    assert list(done.seconds) == ["build", "verify", "measure", "confirm", "profile"]


def test_the_second_trial_has_nothing_of_the_first(tmp_path: Path) -> None:
    """The incumbent as its rival, in a fresh process; contents that no earlier call had; and all of them are checked."""
    done, device = judged(tmp_path, Kernel(us=8.0))
    assert device.modes == [Mode.VERIFY, Mode.TIME, Mode.VERIFY, Mode.TIME]
    verified, timed, again, second = device.jobs
    assert (timed.rival.build.artifact, timed.rival_fresh) == ("// baseline", False)
    assert (second.rival.build.artifact, second.rival_fresh) == ("// incumbent", True)
    keys = [call.key for job in (verified, again) for call in job.calls] + [s.key for job in (timed, second) for s in job.samples]
    assert len(set(keys)) == len(keys) == 6
    assert len(done.checks) == 6 and all(check.verdict is Verdict.PASSED for check in done.checks)


def test_no_two_candidates_have_the_same_contents_in_the_second_trial(tmp_path: Path) -> None:
    """And whoever knows the secret can repeat a trial."""
    found = [judged(tmp_path, Kernel(us=8.0), source=source)[1].jobs[2].calls[0].key for source in ("// a", "// b", "// a")]
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize("second", [Kernel(us=8.0), Kernel(us=8.0, factor=2.1), Kernel(us=8.0, timed_factor=2.1)])
def test_expected_values_of_the_second_trial_are_not_kept(tmp_path: Path, second: Kernel) -> None:
    """Nobody asks for them again, and they would fill the memory of a long search."""
    done, _ = judged(tmp_path, Kernel(us=8.0), second)
    assert len(done.checks) > 3
    kept = sorted((tmp_path / "expected").iterdir())
    assert len(kept) == 2 * 3, "values and spread of the first trial's calls"


@pytest.mark.parametrize("us", [9.95, 10.0, 12.0, 19.0])
def test_what_is_not_ahead_has_no_second_trial(tmp_path: Path, us: float) -> None:
    done, device = judged(tmp_path, Kernel(us=us), reports=(hazard(),))
    assert done.passed and done.confirmation is None and done.hazards == ()
    assert device.modes == [Mode.VERIFY, Mode.TIME] and not device.sanitized


@pytest.mark.parametrize("us", [9.95, 10.0, 30.0])
def test_what_is_not_faster_again_passes_and_is_not_held_to_be(tmp_path: Path, us: float) -> None:
    done, _ = judged(tmp_path, Kernel(us=8.0), Kernel(us=us))
    assert done.passed and not done.confirmation.held
    assert "not beyond the minimum effect" in done.confirmation.detail and "first trial said 1.25" in done.confirmation.detail


def test_a_hazard_ends_it_before_the_second_trial(tmp_path: Path) -> None:
    done, device = judged(tmp_path, Kernel(us=8.0), reports=(SanitizerReport(), hazard()))
    assert done.verdict is Verdict.HAZARD and done.detail == "racecheck: a write races with a read"
    assert done.hazards[0].line == 7 and done.confirmation is None and done.profile is None
    assert device.modes == [Mode.VERIFY, Mode.TIME]


def test_a_doubted_hazard_is_recorded_and_passes(tmp_path: Path) -> None:
    done, _ = judged(tmp_path, Kernel(us=8.0), reports=(hazard(doubt="the tool does not know this barrier"),))
    assert done.passed and done.confirmation.held
    assert [found.doubt for found in done.hazards] == ["the tool does not know this barrier"]


def test_one_certain_hazard_among_doubted_ones_counts(tmp_path: Path) -> None:
    done, _ = judged(tmp_path, Kernel(us=8.0), reports=(hazard(doubt="d"), hazard()))
    assert done.verdict is Verdict.HAZARD and len(done.hazards) == 2


def test_a_tool_that_cannot_look_is_said(tmp_path: Path) -> None:
    missing = SanitizerReport(missing="compute-sanitizer is not installed")
    done, _ = judged(tmp_path, Kernel(us=8.0), reports=(missing, missing))
    assert done.passed and done.unsanitised == "compute-sanitizer is not installed"


def test_the_sanitizer_sees_the_small_calls(tmp_path: Path) -> None:
    _, device = judged(tmp_path, Kernel(us=8.0))
    (job,) = device.sanitized
    assert job.mode is Mode.PROFILE and [call.label.split("/")[0] for call in job.calls] == ["ragged"]


@pytest.mark.parametrize(
    ("second", "verdict", "said"),
    [
        (Kernel(us=8.0, factor=2.1), Verdict.WRONG, "case ragged, normal inputs"),
        (Kernel(us=8.0, timed_factor=2.1), Verdict.WRONG, "in a timed call: "),
        (Kernel(us=8.0, failures={Mode.VERIFY: Verdict.CRASHED}), Verdict.CRASHED, "as the test asked"),
        (Kernel(us=8.0, failures={Mode.TIME: Verdict.CHEATED}), Verdict.CHEATED, "as the test asked"),
        (Kernel(us=8.0, unexplained_us=40.0), Verdict.CHEATED, "40.0 µs more than that explains"),
        (Kernel(us=8.0, silent=True), Verdict.CRASHED, "no output of a timed call came back for case big"),
        (Kernel(us=1e-4), Verdict.IMPLAUSIBLE, "needs at least"),
    ],
)
def test_what_fails_the_second_time_has_failed(tmp_path: Path, second: Kernel, verdict: Verdict, said: str) -> None:
    done, _ = judged(tmp_path, Kernel(us=8.0), second)
    assert done.verdict is verdict and said in done.detail
    assert done.confirmation is None and done.time_us is None
    assert done.measurement is not None, "the first trial stays on record"


def test_a_sensational_time_counts_when_it_holds(tmp_path: Path) -> None:
    done, _ = judged(tmp_path, Kernel(us=0.8))
    assert done.passed and done.confirmation.held and done.measurement.speedup == pytest.approx(25.0, rel=0.01)


@pytest.mark.parametrize("us", [10.0, 15.0])
def test_a_sensational_time_that_does_not_hold_is_not_believed(tmp_path: Path, us: float) -> None:
    done, _ = judged(tmp_path, Kernel(us=0.8), Kernel(us=us))
    assert done.verdict is Verdict.IMPLAUSIBLE
    assert "12.5 times as fast as the incumbent" in done.detail and "measured again, that did not hold: " in done.detail


def test_an_incumbent_that_does_not_build_any_more_is_compared_by_its_time(tmp_path: Path) -> None:
    toolchain = SourceToolchain({"// incumbent": Verdict.BUILD_FAILED})
    done, device = judged(tmp_path, Kernel(us=8.0), toolchain=toolchain)
    assert device.jobs[-1].rival is None
    assert done.confirmation.held and done.confirmation.detail.startswith("1.25")
    assert not judged(tmp_path, Kernel(us=8.0), Kernel(us=9.95), toolchain=toolchain)[0].confirmation.held


def test_a_modelled_time_is_confirmed_without_pairs(tmp_path: Path) -> None:
    done, device = judged(tmp_path, Kernel(us=8.0), kind=TimeKind.MODELLED)
    assert done.confirmation.held and done.confirmation.detail.endswith("without pairs")
    assert all(job.rival is None and not job.samples for job in device.jobs)
