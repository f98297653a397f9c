"""Second trials of one run: who goes first, who need not go, and that nobody waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from paired_lab import TASK, Kernel, PairedDevice, candidate, paired_lab

from kernelsearch import digest, guard
from kernelsearch.evaluate import Incumbent, evaluate
from kernelsearch.measure.contest import OUTRUN, Contest, outrun
from kernelsearch.model import CaseTiming, Interval, Measurement, TimeKind, Verdict


def shown(speedup: float, spread: float = 0.01) -> Measurement:
    timing = CaseTiming(case="c", samples_us=(100.0 / speedup,), rival_us=(100.0,))
    interval = Interval(low=speedup * (1 - spread), high=speedup * (1 + spread), confidence=0.99)
    return Measurement(kind=TimeKind.MEASURED, timings=(timing,), speedup=speedup, interval=interval)


def modelled(us: float) -> Measurement:
    return Measurement(kind=TimeKind.MODELLED, timings=(CaseTiming(case="c", samples_us=(us,)),))


@pytest.mark.parametrize(
    ("ours", "theirs", "certain"),
    [
        (shown(2.0), shown(3.0), True),
        (shown(3.0), shown(2.0), False),
        (shown(2.0), shown(2.01), False),  # the intervals meet
        (modelled(5.0), modelled(4.0), True),
        (modelled(4.0), modelled(4.0), False),
        (modelled(5.0), shown(50.0), False),  # two kinds of time
    ],
)
def test_certainly_slower_is_what_intervals_or_models_say(ours, theirs, certain) -> None:
    assert outrun(ours, theirs) is certain


def race(contest: Contest, speedups, *, holds=lambda speedup: True) -> list[float]:
    """All look ahead at once. Returns those that had a second trial, in its order."""
    tried: list[float] = []
    busy, gate = threading.Semaphore(1), threading.Event()

    def contend(speedup: float) -> None:
        ours = shown(speedup)
        with contest.turn(ours) as worth:
            if not worth:
                return
            assert busy.acquire(blocking=False), "one at a time"
            tried.append(speedup)
            gate.wait(10)
            if holds(speedup):
                contest.held(ours)
            busy.release()

    with ThreadPoolExecutor(len(speedups)) as pool:
        first = pool.submit(contend, speedups[0])
        while not tried:
            time.sleep(0.001)
        others = [pool.submit(contend, speedup) for speedup in speedups[1:]]
        while len(contest._waiting) < len(others):
            time.sleep(0.001)
        gate.set()
        for future in (first, *others):
            future.result(20)
    return tried


def test_the_fastest_that_waits_is_next_and_what_it_outruns_is_not_tried() -> None:
    assert race(Contest(), [2.0, 3.0, 9.0, 8.95, 5.0]) == [2.0, 9.0, 8.95]


def test_one_that_does_not_hold_outruns_nobody() -> None:
    assert race(Contest(), [2.0, 3.0, 9.0, 5.0], holds=lambda speedup: speedup < 9) == [2.0, 9.0, 5.0]


def test_a_trial_that_raises_makes_room_for_the_next() -> None:
    contest = Contest()
    with pytest.raises(RuntimeError), contest.turn(shown(4.0)) as worth:
        assert worth
        raise RuntimeError("the GPU is gone")
    with contest.turn(shown(2.0)) as worth:
        assert worth


def test_what_is_not_worth_it_keeps_nobody_waiting() -> None:
    contest = Contest()
    contest.held(shown(9.0))
    contest.held(shown(3.0))  # began under an older incumbent, and is no better
    with contest.turn(shown(4.0)) as first, contest.turn(shown(10.0)) as second:
        assert (first, second) == (False, True)


def test_an_evaluation_says_why_it_had_no_second_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "inspect", lambda build, task: ())
    kernels = {"// baseline": Kernel(us=20.0), "// quick": Kernel(us=4.0), "// slower": Kernel(us=8.0)}
    lab = paired_lab(tmp_path, PairedDevice(kernels))
    base = evaluate(digest.baseline(TASK), TASK, lab)
    incumbent, contest = Incumbent(candidate=digest.baseline(TASK), measurement=base.measurement), Contest()
    quick = evaluate(candidate("// quick"), TASK, lab, incumbent, contest=contest)
    slower = evaluate(candidate("// slower"), TASK, lab, incumbent, contest=contest)
    assert quick.confirmation is not None and quick.confirmation.held
    assert (slower.verdict, slower.confirmation, slower.unsanitised) == (Verdict.PASSED, None, OUTRUN)
    assert evaluate(candidate("// slower"), TASK, lab, incumbent).confirmation.held  # another run has a contest of its own
