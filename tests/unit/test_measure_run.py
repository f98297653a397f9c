"""A timed run: in pairs on contents that nobody knew, believed only as far as the outside clock goes along, and verified itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from paired_lab import PAIRS, TASK, Kernel, PairedDevice, SourceToolchain, candidate, paired_lab

from kernelsearch import digest, guard, measure
from kernelsearch.device.base import Mode
from kernelsearch.evaluate import evaluate
from kernelsearch.model import Case, Distribution, Finding, TimeKind, Verdict
from kernelsearch.workload import prepare


def timed(
    scratch: Path, kernel: Kernel | tuple[Kernel, ...], *, task=TASK, rival: bool = True, kind: TimeKind = TimeKind.MEASURED, **options
):
    device = PairedDevice({"// candidate": kernel}, time_kind=kind)
    build, worker = SourceToolchain().build, paired_lab(scratch, device)
    found = measure.run(build(candidate(), task), task, worker, rival=build(digest.baseline(task), task) if rival else None, **options)
    return found, device


def test_samples_come_in_pairs_and_give_a_speed_up_with_its_interval(tmp_path: Path) -> None:
    found, device = timed(tmp_path, Kernel(us=5.0))
    (timing,) = found.measurement.timings
    assert len(timing.samples_us) == len(timing.rival_us) == PAIRS
    assert found.measurement.speedup == pytest.approx(4.0, rel=0.001)
    assert found.measurement.interval.low <= found.measurement.speedup <= found.measurement.interval.high
    assert (found.measurement.kind, found.measurement.conditions) == (TimeKind.MEASURED, {"clock": "1980 MHz"})
    (job,) = device.jobs
    assert job.rival.samples == () and job.rival.rival is None and not job.rival_fresh


def test_wanted_outputs_come_back_with_the_contents_they_belong_to(tmp_path: Path) -> None:
    both = (Distribution.NORMAL, Distribution.INTEGERS)
    found, device = timed(tmp_path, Kernel(), task=replace(TASK, distributions=both))
    prepared = prepare(replace(TASK, distributions=both), tmp_path, "secret", draws=True)
    assert [planned.key for planned, _ in found.outputs] == [p.key for p in prepared.samples()]
    for planned, call in found.outputs:
        assert (call.sample.key, call.sample.distribution) == (planned.key, planned.distribution.value)
    assert {planned.distribution for planned, _ in found.outputs} == set(both)
    assert device.jobs[0].calls[0].decoys == ("integers",)


def test_a_further_trial_has_other_contents_and_a_fresh_rival(tmp_path: Path) -> None:
    first, again = (timed(tmp_path, Kernel(), again=again, fresh=bool(again))[1].jobs[0] for again in ("", "x"))
    assert not {s.key for s in first.samples} & {s.key for s in again.samples}
    assert (first.rival_fresh, again.rival_fresh) == (False, True)


def test_without_a_rival_there_are_times_and_no_speed_up(tmp_path: Path) -> None:
    found, device = timed(tmp_path, Kernel(us=5.0), rival=False)
    assert (found.measurement.speedup, found.measurement.interval) == (None, None)
    assert found.measurement.time_us == pytest.approx(5.0) and device.jobs[0].rival is None


def test_a_device_that_models_time_takes_neither_rival_nor_samples(tmp_path: Path) -> None:
    found, device = timed(tmp_path, Kernel(us=5.0), kind=TimeKind.MODELLED)
    assert found.measurement.speedup is None and found.outputs == ()
    assert device.jobs[0].rival is None and device.jobs[0].samples == ()


@pytest.mark.parametrize("failure", [Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.CHEATED])
def test_a_failed_run_gives_no_time(tmp_path: Path, failure: Verdict) -> None:
    found, _ = timed(tmp_path, Kernel(failures={Mode.TIME: failure}))
    assert (found.measurement, found.failure, found.detail) == (None, failure, "as the test asked")


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("doubt", [0.0, 1e3])  # which is for whoever reads the record
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("us", "off", "believed"),
    [
        (20.0, 19.9, True),  # a kernel's time depends a little on what ran before it
        (20.0, 20.1, False),
        (20.0, 300.0, False),
        (1000.0, 99.0, True),  # a tenth of what it claims
        (1000.0, 101.0, False),
    ],
)
def test_a_claim_that_the_outside_clock_does_not_bear_out_is_a_lie(tmp_path, us, off, believed, sign, doubt, strict) -> None:
    found, _ = timed(tmp_path, Kernel(us=us, unexplained_us=sign * off, doubt_us=doubt), strict=strict)
    assert (found.failure is None) is believed
    if not believed:
        assert found.failure is Verdict.CHEATED and found.measurement is None
        assert f"a call takes {us:.1f} µs" in found.detail
        assert (f"took {off:.1f} µs longer" if sign > 0 else f"took {off:.1f} µs less: that work was not done") in found.detail


def test_only_a_trial_whose_claims_fit_is_believed(tmp_path: Path) -> None:
    """What slowed one box for a while may be gone in the next trial, which has fresh processes on both sides."""
    busy, calm = Kernel(us=5.0, unexplained_us=300.0), Kernel(us=7.0)
    found, device = timed(tmp_path, (busy, calm))
    assert found.failure is None and found.measurement.time_us == pytest.approx(7.0)
    assert [job.rival_fresh for job in device.jobs] == [False, True]
    found, device = timed(tmp_path, (busy, busy, busy, calm))
    assert found.failure is Verdict.CHEATED and "in each of 3 trials" in found.detail and len(device.jobs) == 3
    failing = Kernel(failures={Mode.TIME: Verdict.CRASHED})
    assert timed(tmp_path, (busy, failing))[0].failure is Verdict.CRASHED


def test_where_the_outside_clock_saw_nothing_nothing_can_be_said(tmp_path: Path) -> None:
    """And where it did, no rival is needed."""
    assert timed(tmp_path, Kernel(unexplained_us=1e6, by_clock=False))[0].failure is None
    assert timed(tmp_path, Kernel(unexplained_us=1e6), rival=False)[0].failure is Verdict.CHEATED


def test_under_suspicion_there_is_a_pause_among_the_timed_calls(tmp_path: Path) -> None:
    assert timed(tmp_path, Kernel())[1].jobs[0].linger_s == 0.0
    assert timed(tmp_path, Kernel(), strict=True)[1].jobs[0].linger_s > 0.0


def test_one_lie_among_several_cases_is_enough(tmp_path: Path) -> None:
    cases = (*TASK.cases, Case(name="second", sizes={"n": 512}, timed=True))
    found, _ = timed(tmp_path, Kernel(unexplained_us=40.0), task=replace(TASK, cases=cases))
    assert found.failure is Verdict.CHEATED and "big" in found.detail


def test_every_timed_case_has_samples_of_its_own(tmp_path: Path) -> None:
    cases = (*TASK.cases, Case(name="second", sizes={"n": 512}, timed=True))
    found, device = timed(tmp_path, Kernel(us=5.0), task=replace(TASK, cases=cases))
    assert [sample.call for sample in device.jobs[0].samples] == [0, 0, 1, 1]
    assert {planned.case.name for planned, _ in found.outputs} == {"big", "second"}
    assert [timing.case for timing in found.measurement.timings] == ["big", "second"]


def test_a_time_of_which_no_output_was_seen_does_not_count(tmp_path: Path) -> None:
    found, _ = timed(tmp_path, Kernel(silent=True))
    assert found.failure is Verdict.CRASHED and found.measurement is None
    assert found.detail == "no output of a timed call came back for case big"


def test_under_suspicion_more_timed_calls_are_looked_at(tmp_path: Path, monkeypatch) -> None:
    looked = {}
    for rule in ("unreadable binary", "volatile"):
        monkeypatch.setattr(guard, "inspect", lambda build, task, rule=rule: (Finding(rule=rule, message="m"),))
        device = PairedDevice()
        done = evaluate(candidate(), TASK, paired_lab(tmp_path, device))
        assert done.passed and [finding.rule for finding in done.findings] == [rule]
        looked[rule] = len(device.jobs[-1].samples), sum(check.case == "big" for check in done.checks)
    assert looked == {"unreadable binary": (4, 4), "volatile": (2, 2)}
