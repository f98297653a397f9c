"""Estimators of k tries against all subsets; intervals and tests that are seeded."""

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsearch.suite.estimators import best_of, efficiency, pass_at
from kernelsearch.suite.resample import mean_interval, sign_test

TRIES = st.integers(1, 9)


@settings(max_examples=40, deadline=None)
@given(TRIES, st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_success(tries, data):
    successes, k = data.draw(st.integers(0, tries)), data.draw(st.integers(1, tries))
    subsets = list(combinations([1] * successes + [0] * (tries - successes), k))
    assert pass_at(k, successes, tries) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=9), st.data())
def test_best_of_k_is_the_mean_over_subsets_of_their_best(values, data):
    k = data.draw(st.integers(1, len(values)))
    subsets = list(combinations(values, k))
    assert best_of(k, values) == pytest.approx(sum(map(max, subsets)) / len(subsets), abs=1e-12)


def test_large_numbers_of_tries_neither_overflow_nor_lose_the_small():
    assert pass_at(1, 1, 10**6) == pytest.approx(1e-6, rel=1e-12)
    assert pass_at(100_000, 1, 10**6) == pytest.approx(0.1, rel=1e-9)
    assert best_of(500, [0.5] * 2000) == pytest.approx(0.5, rel=1e-12)
    assert best_of(2000, list(range(2000))) == pytest.approx(1999)


@pytest.mark.parametrize("bad", [lambda: pass_at(0, 1, 3), lambda: pass_at(4, 1, 3), lambda: pass_at(1, 4, 3), lambda: best_of(2, [1.0])])
def test_what_cannot_be_estimated_is_refused(bad):
    with pytest.raises(ValueError, match="tries"):
        bad()


def test_an_efficiency_is_one_at_the_reference_and_nothing_beyond_the_limit():
    assert efficiency(10.0, reference_us=10.0, baseline_us=40.0) == 1.0
    assert efficiency(40.0, reference_us=10.0, baseline_us=40.0) == pytest.approx(40 / 70)
    assert efficiency(5.0, reference_us=10.0, baseline_us=40.0) > 1.0
    # A time that is only known to be beyond the limit counts as one that is known: that is why censoring there costs no bias.
    assert efficiency(80.0, reference_us=10.0, baseline_us=40.0) == efficiency(None, reference_us=10.0, baseline_us=40.0) == 0.0
    assert efficiency(50.0, reference_us=50.0, baseline_us=40.0) == 1.0  # a library that is slower than the baseline


def test_an_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    import random

    drawn = random.Random(1)
    samples = [[drawn.gauss(0.3, 1.0) for _ in range(40)] for _ in range(100)]
    intervals = [interval for sample in samples if (interval := mean_interval(sample)) is not None]
    covered = sum(low <= 0.3 <= high for low, high in intervals) / len(intervals)
    assert 0.88 <= covered <= 0.99
    assert mean_interval([0.3]) is None
    assert mean_interval([1.0, 2.0, 4.0]) == mean_interval([1.0, 2.0, 4.0])


def test_exchanging_signs_is_exact_for_few_and_close_to_it_for_many():
    differences = [0.3, 0.1, 0.2, 0.4, 0.25, 0.15]
    assert sign_test(differences) == 2 / 2**6
    assert sign_test([0.3, 0.1, 0.2, 0.4, 0.25]) > 0.05  # five seeds can show nothing
    assert sign_test([0.1, -0.1]) == 1.0
    assert sign_test([]) == 1.0
    many = [0.01 * (i % 7 - 2) for i in range(20)]
    z = sum(many) / math.sqrt(sum(v * v for v in many))
    assert sign_test(many) == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=0.03)
