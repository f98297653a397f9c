"""One candidate, stage by stage, with a lab made of fakes: which verdict ends it, and what evidence it keeps."""

import pytest
from paired_lab import TASK, Kernel, PairedDevice, SourceToolchain, candidate, paired_lab

from kernelsearch.device.base import Mode
from kernelsearch.evaluate import evaluate, repeat
from kernelsearch.model import TimeKind, Verdict


@pytest.fixture
def lab(tmp_path):
    return lambda device=None, toolchain=None: paired_lab(tmp_path, device, toolchain)


def device_with(**kernel) -> PairedDevice:
    """The candidate does as told, the baseline as it should."""
    return PairedDevice({"// candidate": Kernel(**kernel)})


def test_a_right_kernel_passes_with_all_its_evidence(lab):
    device = PairedDevice()
    done = evaluate(candidate(), TASK, lab(device))
    assert done.verdict is Verdict.PASSED, done.detail
    assert device.modes == [Mode.VERIFY, Mode.TIME]
    assert done.measurement.time_us == pytest.approx(20.0) and done.measurement.kind is TimeKind.MEASURED
    assert {check.case for check in done.checks} == {"big", "ragged"}
    assert done.profile is not None and done.profile.kernel == "k"
    assert set(done.seconds) == {"build", "verify", "measure", "profile"}
    assert done.reference == "reference"


def test_what_the_policy_forbids_is_not_built(lab):
    toolchain = SourceToolchain()
    done = evaluate(candidate('#include "/etc/passwd"'), TASK, lab(toolchain=toolchain))
    assert done.verdict is Verdict.REJECTED and toolchain.builds == 0
    assert any(finding.forbidden for finding in done.findings)


@pytest.mark.parametrize("verdict", [Verdict.BUILD_FAILED, Verdict.UNSUPPORTED, Verdict.TIMED_OUT])
def test_a_failed_build_ends_it_with_the_compilers_words(lab, verdict):
    device = PairedDevice()
    done = evaluate(candidate(), TASK, lab(device, SourceToolchain({"// candidate": verdict})))
    assert done.verdict is verdict and "candidate.cu:3" in done.detail
    assert device.modes == []


def test_a_wrong_kernel_is_not_timed(lab):
    device = device_with(factor=2.1)
    done = evaluate(candidate(), TASK, lab(device))
    assert done.verdict is Verdict.WRONG and "y[" in done.detail
    assert Mode.TIME not in device.modes and done.measurement is None


@pytest.mark.parametrize("verdict", [Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.NONDETERMINISTIC, Verdict.CHEATED])
@pytest.mark.parametrize("mode", [Mode.VERIFY, Mode.TIME])
def test_a_failing_run_ends_it(lab, verdict, mode):
    done = evaluate(candidate(), TASK, lab(device_with(failures={mode: verdict})))
    assert done.verdict is verdict and "as the test asked" in done.detail


def test_right_when_checked_and_wrong_when_timed_is_wrong(lab):
    done = evaluate(candidate(), TASK, lab(device_with(timed_factor=0.0)))
    assert done.verdict is Verdict.WRONG and "timed call" in done.detail


def test_faster_than_the_hardware_can_be_is_implausible(lab):
    done = evaluate(candidate(), TASK, lab(device_with(us=1e-4)))
    assert done.verdict is Verdict.IMPLAUSIBLE and "at least" in done.detail
    assert done.time_us is None and done.profile is None


def test_another_trial_has_fresh_contents_and_processes_and_no_profile(lab):
    device = PairedDevice()
    here = lab(device)
    first, second, other = evaluate(candidate(), TASK, here), repeat(candidate(), TASK, here, 1), repeat(candidate(), TASK, here, 2)
    assert second.verdict is other.verdict is Verdict.PASSED and second.candidate == first.candidate
    assert second.profile is None and second.confirmation is None and second.measurement is not None
    verified = [str([call.key for call in job.calls]) for job in device.jobs if job.mode is Mode.VERIFY]
    assert len(set(verified)) == 3
    timed = [job for job in device.jobs if job.mode is Mode.TIME and job.rival is not None]
    assert [job.rival_fresh for job in timed] == [False, True, True]


def test_another_trial_can_find_a_kernel_wrong(lab):
    device = PairedDevice({"// candidate": (Kernel(), Kernel(factor=2.1))})
    here = lab(device)
    assert evaluate(candidate(), TASK, here).passed
    assert repeat(candidate(), TASK, here, 1).verdict is Verdict.WRONG


def test_what_was_compiled_to_known_code_is_not_run(lab, monkeypatch):
    device = PairedDevice()
    here = lab(device)
    first = evaluate(candidate(), TASK, here)
    device.jobs.clear()
    monkeypatch.setattr("kernelsearch.guard.code_digest", lambda build, task: "code")
    asked = []
    assert evaluate(candidate("// twin"), TASK, here, known=lambda code: asked.append(code) or first) is first
    assert asked == ["code"] and device.modes == []
