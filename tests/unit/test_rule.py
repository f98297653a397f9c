"""When a kernel counts as faster: worth a second trial, and shown by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodes import measured

from kernelsearch.measure import ahead, holds, over
from kernelsearch.measure.statistics import CONFIDENCE, MIN_EFFECT
from kernelsearch.model import Interval

INCUMBENT = measured(50.0, 2.0, Interval(low=1.99, high=2.01, confidence=CONFIDENCE))


def paired(speedup: float, width: float = 0.005, confidence: float = CONFIDENCE, time_us: float = 10.0):
    """Against its rival, in pairs: `speedup`, and that much to either side."""
    return measured(time_us, speedup, Interval(low=speedup - width, high=speedup + width, confidence=confidence))


def test_pairs_with_the_same_baseline_are_compared_and_not_times() -> None:
    """The clocks of two runs differ; the baseline beside each saw the same."""
    assert over(paired(2.5, time_us=60.0), INCUMBENT) == pytest.approx(1.25)
    assert over(INCUMBENT, paired(2.5)) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(measured(40.0), measured(50.0)), (measured(40.0), INCUMBENT), (paired(9.0, time_us=40.0), measured(50.0))]
)
def test_without_pairs_on_both_sides_the_times_are_compared(ours, theirs) -> None:
    assert over(ours, theirs) == pytest.approx(1.25)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_over_is_its_own_inverse(ours: float, theirs: float) -> None:
    a, b = paired(ours, 0.0), paired(theirs, 0.0)
    assert over(a, b) * over(b, a) == pytest.approx(1.0)
    assert not (ahead(a, b) and ahead(b, a))


@pytest.mark.parametrize(
    ("speedup", "worth"), [(2.0, False), (1.5, False), (2.0 * (1 + MIN_EFFECT) - 1e-9, False), (2.0 * (1 + MIN_EFFECT) + 1e-9, True)]
)
def test_ahead_is_beyond_the_minimum_effect(speedup: float, worth: bool) -> None:
    assert ahead(paired(speedup), INCUMBENT) is worth


@pytest.mark.parametrize(
    ("second", "held"),
    [
        (paired(1.25), True),
        (paired(1.0 + MIN_EFFECT + 0.006), True),
        (paired(1.0 + MIN_EFFECT + 0.004), False),  # the lower end is within the minimum effect
        (paired(1.25, width=0.245), False),  # the middle is far out, but not sure
        (paired(1.25, confidence=CONFIDENCE - 0.01), False),  # too few pairs for the confidence that is asked for
        (paired(1.0), False),
        (paired(0.8), False),
    ],
)
def test_all_of_the_second_interval_must_lie_beyond_the_minimum_effect(second, held: bool) -> None:
    """Whatever the first trial said: it was the reason to look, and is no evidence."""
    for first in (paired(2.5), paired(20.0)):
        found, detail = holds(second, first, INCUMBENT)
        assert found is held
        assert ("not beyond" in detail) is not held
        assert f"{second.speedup:.3f}x [{second.interval.low:.3f}, {second.interval.high:.3f}]" in detail
        assert f"the first trial said {first.speedup / 2.0:.3f}x" in detail


@pytest.mark.parametrize(
    ("time_us", "held"), [(50.0 / (1 + MIN_EFFECT) - 0.01, True), (50.0 / (1 + MIN_EFFECT) + 0.01, False), (60.0, False)]
)
def test_modelled_times_have_no_pairs_and_are_compared_as_they_are(time_us: float, held: bool) -> None:
    found, detail = holds(measured(time_us), measured(1.0), measured(50.0))
    assert found is held and detail.endswith("without pairs")


def test_a_speed_up_without_an_interval_is_no_pair() -> None:
    second = measured(40.0, 9.0)
    assert second.interval is None
    assert holds(second, second, INCUMBENT)[1].endswith("without pairs")
