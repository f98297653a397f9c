"""What is said of a speed-up: how often it is right, by simulation, and the laws it keeps, by property."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch.measure.statistics import CONFIDENCE, MIN_EFFECT, combined, faster, median_interval, ratio, remarks, settled, slower
from kernelsearch.model import Interval
from kernelsearch.order_statistics import FEWEST

PAIRS, SIGMA = 60, 0.015
times = st.floats(min_value=0.5, max_value=1e5)
pairs = st.lists(st.tuples(times, times), min_size=1, max_size=40)
few_examples = settings(max_examples=40, deadline=None)


def draw(rng: np.random.Generator, median: float, count: int = PAIRS, sigma: float = SIGMA) -> list[float]:
    """Times with the tail that real ones have: one in twenty was disturbed."""
    base = median * np.exp(sigma * rng.standard_normal(count))
    return list(base * np.where(rng.random(count) < 0.05, 1.0 + rng.exponential(0.2, count), 1.0))


# How often it is right


@pytest.mark.parametrize(("count", "confidence"), [(8, 0.99), (15, 0.95), (40, 0.9), (101, 0.99)])
def test_the_interval_of_order_statistics_covers_the_median_as_often_as_it_says(count, confidence):
    rng = np.random.default_rng(1)
    intervals = [median_interval(list(row), confidence) for row in rng.lognormal(0.0, 0.5, size=(3000, count))]
    covered = statistics.fmean(interval.low <= 1.0 <= interval.high for interval in intervals)
    assert covered >= confidence - 3 * math.sqrt(confidence * (1 - confidence) / 3000)
    assert covered < 1.0


@pytest.mark.parametrize("sigma", [0.002, 0.015, 0.1])
def test_the_same_kernel_is_called_faster_in_one_of_a_hundred_at_most(sigma):
    rng = np.random.default_rng(2)
    found = [ratio(draw(rng, 100.0, sigma=sigma), draw(rng, 100.0, sigma=sigma))[1] for _ in range(600)]
    assert sum(faster(interval) for interval in found) <= 6
    assert sum(slower(interval) for interval in found) <= 6


def test_a_kernel_slower_by_three_per_cent_is_found():
    rng = np.random.default_rng(3)
    found = [ratio(draw(rng, 103.0), draw(rng, 100.0))[1] for _ in range(400)]
    assert sum(slower(interval) for interval in found) >= 380
    assert not any(faster(interval) for interval in found)


def test_a_bootstrap_interval_covers_the_true_ratio():
    rng = np.random.default_rng(4)
    found = [ratio(draw(rng, 100.0), draw(rng, 125.0))[1] for _ in range(600)]
    assert sum(interval.low <= 1.25 <= interval.high for interval in found) >= 582


def test_drift_that_both_of_a_pair_see_cancels():
    rng = np.random.default_rng(5)
    drift = np.linspace(1.0, 1.5, PAIRS)
    value, interval = ratio(list(np.array(draw(rng, 100.0)) * drift), list(np.array(draw(rng, 110.0)) * drift))
    assert value == pytest.approx(1.1, rel=0.01)
    assert faster(interval)


def test_stopping_when_settled_does_not_make_the_same_kernel_look_faster():
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(300):
        ours, theirs = draw(rng, 50.0, 200), draw(rng, 50.0, 200)
        stop = next((n for n in range(10, 200, 5) if settled([t / o for o, t in zip(ours[:n], theirs[:n], strict=True)])), 200)
        wrong += faster(ratio(ours[:stop], theirs[:stop])[1])
    assert wrong <= 3


# What it keeps


@few_examples
@given(pairs, st.floats(min_value=1e-3, max_value=1e3))
def test_the_unit_of_time_does_not_matter(taken, unit):
    ours, theirs = zip(*taken, strict=True)
    value, interval = ratio(ours, theirs)
    scaled, other = ratio([unit * t for t in ours], [unit * t for t in theirs])
    assert scaled == pytest.approx(value)
    assert (other.low, other.high, other.confidence) == pytest.approx((interval.low, interval.high, interval.confidence))


@few_examples
@given(pairs)
def test_swapping_the_kernels_inverts_the_speed_up(taken):
    ours, theirs = zip(*taken, strict=True)
    value, interval = ratio(ours, theirs)
    inverse, other = ratio(theirs, ours)
    assert inverse == pytest.approx(1 / value)
    assert (other.low, other.high) == pytest.approx((1 / interval.high, 1 / interval.low))
    assert faster(interval) == slower(other) or interval.low == pytest.approx(1 + MIN_EFFECT)


@few_examples
@given(pairs)
def test_the_value_lies_in_its_interval_and_the_same_pairs_give_the_same(taken):
    ours, theirs = zip(*taken, strict=True)
    value, interval = ratio(ours, theirs)
    assert interval.low <= value * (1 + 1e-12)
    assert value <= interval.high * (1 + 1e-12)
    assert ratio(ours, theirs) == (value, interval)


@few_examples
@given(st.lists(times, min_size=FEWEST, max_size=60))
def test_order_statistics_are_samples_and_do_not_depend_on_order(samples):
    interval = median_interval(samples)
    assert {interval.low, interval.high} <= set(samples)
    assert interval.low <= statistics.median(samples) <= interval.high
    shuffled = random.Random(0).sample(samples, len(samples))
    assert median_interval(shuffled) == interval


@few_examples
@given(st.lists(st.tuples(times, times), min_size=2, max_size=30))
def test_a_wider_demand_gives_a_wider_interval(taken):
    samples = [sample for pair in taken for sample in pair]
    narrow, wide = median_interval(samples, 0.5), median_interval(samples, 0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


# The rule


@pytest.mark.parametrize(
    ("low", "high", "confidence", "verdict"),
    [
        (1.011, 1.3, 0.99, "faster"),
        (1.009, 1.3, 0.99, "neither"),
        (1.2, 1.3, 0.98, "neither"),
        (0.7, 0.99, 0.99, "slower"),
        (0.7, 0.995, 0.99, "neither"),
        (0.7, 0.8, 0.5, "neither"),
    ],
)
def test_a_winner_must_beat_the_minimum_effect_at_the_stated_confidence(low, high, confidence, verdict):
    interval = Interval(low=low, high=high, confidence=confidence)
    assert (faster(interval), slower(interval)) == (verdict == "faster", verdict == "slower")


@pytest.mark.parametrize("count", range(1, FEWEST))
def test_too_few_samples_never_show_anything(count):
    value, interval = ratio([1.0] * count, [2.0] * count)
    assert value == pytest.approx(2.0)
    assert interval.confidence < CONFIDENCE
    assert not faster(interval)
    assert not settled([1.0] * count)


def test_enough_samples_do():
    assert faster(ratio([1.0] * FEWEST, [2.0] * FEWEST)[1])
    assert settled([1.0] * FEWEST)


def test_samples_settle_when_the_interval_is_narrow_and_not_before():
    rng = random.Random(1)
    wide = [100.0 * (1 + rng.uniform(-0.2, 0.2)) for _ in range(30)]
    assert not settled(wide)
    assert settled(wide, width=0.5)
    assert settled([100.0 * (1 + rng.uniform(-0.004, 0.004)) for _ in range(30)])


def test_cases_combine_as_a_geometric_mean_and_are_surer_together():
    one = (1.2, Interval(low=1.1, high=1.3, confidence=0.99))
    assert combined([one])[0] == pytest.approx(1.2)
    assert combined([one])[1].low == pytest.approx(1.1)
    value, interval = combined([one, (0.8, Interval(low=0.7, high=0.9, confidence=0.95))])
    assert value == pytest.approx(math.sqrt(1.2 * 0.8))
    assert interval.confidence == 0.95
    four = combined([one] * 4)[1]
    assert math.log(1.2 / four.low) == pytest.approx(math.log(1.2 / 1.1) / 2)


@pytest.mark.parametrize(
    ("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [-1.0]), ([1.0], [math.inf]), ([math.nan], [1.0])]
)
def test_what_are_no_times_is_refused(ours, theirs):
    with pytest.raises(ValueError):
        ratio(ours, theirs)


def test_an_interval_has_an_inside_and_a_confidence():
    for low, high, confidence in [(2.0, 1.0, 0.9), (math.nan, 1.0, 0.9), (1.0, 2.0, 1.5)]:
        with pytest.raises(ValueError):
            Interval(low=low, high=high, confidence=confidence)
    for given_samples in ([], [1.0, math.nan]):
        with pytest.raises(ValueError):
            median_interval(given_samples)
    with pytest.raises(ValueError):
        combined([])


# What a person should know


def test_two_modes_are_told():
    rng = np.random.default_rng(7)
    mixed = np.where(rng.random(80) < 0.4, 110.0, 100.0) * np.exp(0.003 * rng.standard_normal(80))
    (text,) = remarks(list(mixed))
    assert text.startswith("two modes")
    assert "48 samples around 99.91 µs and 32 around 110.1 µs" in text


def test_a_trend_is_told_with_its_direction():
    rng = np.random.default_rng(8)
    rising = 100.0 * np.linspace(1.0, 1.06, 60) * np.exp(0.003 * rng.standard_normal(60))
    assert [text[:10] for text in remarks(list(rising))] == ["times rose"]
    assert [text[:10] for text in remarks(list(rising[::-1]))] == ["times fell"]


def test_ordinary_times_need_no_remark():
    rng = np.random.default_rng(9)
    assert sum(bool(remarks(draw(rng, 100.0, sigma=sigma))) for sigma in (0.002, 0.01, 0.05) for _ in range(200)) <= 6
    assert sum(bool(remarks(list(100.0 + 20.0 * rng.random(60)))) for _ in range(200)) <= 2
    assert remarks([100.0] * 40) == ()
    assert remarks([1.0, 2.0]) == ()


def test_whoever_takes_samples_can_ask_without_numpy():
    code = "import sys, kernelsearch.order_statistics; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
