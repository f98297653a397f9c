"""What is said of a speed-up: how often it is right, by simulation, and the laws it keeps, by property."""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch import catalog
from kernelsearch.measure.statistics import CONFIDENCE, MIN_EFFECT, combined, faster, median_interval, ratio, remarks, settled, slower
from kernelsearch.model import Interval
from kernelsearch.order_statistics import FEWEST
from kernelsearch.toolchain.locate import find_nvcc

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
        stop = next((n for n in range(10, 200, 10) if settled([t / o for o, t in zip(ours[:n], theirs[:n], strict=True)])), 200)
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


# The benchmark that counts mistakes on a GPU

NVCC = find_nvcc()


@pytest.fixture(scope="module")
def aa() -> ModuleType:
    spec = importlib.util.spec_from_file_location("aa", Path(__file__).parents[2] / "benchmarks" / "aa.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"), [(0, 200, 0.0, 0.018275), (200, 200, 0.981725, 1.0), (5, 10, 0.187086, 0.812914), (1, 1, 0.025, 1.0)]
)
def test_shares_have_their_exact_interval(aa, hits, trials, low, high):
    assert aa.clopper_pearson(hits, trials) == pytest.approx((low, high), abs=1e-6)


def test_the_pause_is_found_where_cost_is_a_launch_and_a_straight_line(aa):
    asked = []

    def cost(steps: int) -> float:
        asked.append(steps)
        return 0.004 + 2e-6 * steps

    assert cost(aa.find_pause(cost, 0.03)) == pytest.approx(0.03, rel=0.1)
    assert len(asked) <= 5
    with pytest.raises(SystemExit, match="takes longer"):
        aa.find_pause(lambda steps: 0.05, 0.03)
    with pytest.raises(SystemExit, match="too noisy"):
        aa.find_pause(lambda steps: 0.0, 0.03)


@pytest.mark.skipif(NVCC is None, reason="no nvcc, neither a toolkit's nor the wheels'")
@pytest.mark.parametrize("name", ["row_softmax", "matmul", "prefix_sum"])
def test_a_baseline_with_a_pause_compiles(aa, tmp_path, name):
    task = catalog.task(f"core/{name}")
    source = aa.padded(task, 321)
    assert "321" in source.removeprefix(task.baseline)
    (tmp_path / "k.cu").write_text(source)
    command = [str(NVCC.path), "-arch=sm_90", "-cubin", "-o", "k.cubin", "k.cu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("sigma", "holds"), [(0.015, True), (0.15, False)])
def test_mistakes_and_finds_are_counted(aa, monkeypatch, capsys, sigma, holds):
    rng = np.random.default_rng(10)
    task = SimpleNamespace(baseline="")

    def run(build, task, lab, rival):
        value, interval = ratio(draw(rng, 100.0 + 1e-3 * build, sigma=sigma), draw(rng, 100.0 + 1e-3 * rival, sigma=sigma))
        return SimpleNamespace(failure=None, measurement=SimpleNamespace(speedup=value, interval=interval))

    monkeypatch.setattr(aa.measure, "run", run)
    monkeypatch.setattr(aa, "built", lambda task, source, lab: source or 0)
    monkeypatch.setattr(aa, "padded", lambda task, steps: steps)
    options = argparse.Namespace(slower=0.03, probe=40, long=100, runs=50)
    found = {"A/A": aa.same_kernel(task, None, 50), "power": aa.power(task, None, options)}
    assert found["A/A"]["faster"] == 0
    assert (aa.judged(found, 50) == []) == holds
    if holds:
        assert found["power"]["true_slowdown"] == pytest.approx(0.03, rel=0.15)
    assert "A/A" in capsys.readouterr().out
