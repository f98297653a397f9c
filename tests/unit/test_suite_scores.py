"""What a suite comes to: failures count, seeds do not, and noise makes no win."""

import csv
import io
import math

import pytest
from suite_rows import failure, row

from kernelsearch.suite import scores
from kernelsearch.suite.export import to_csv
from kernelsearch.suite.scores import ALL, at_least, fast, library_us, light, won


def only(rows):
    (score,) = scores(rows)
    return score


def test_a_failure_counts_as_no_speedup_and_as_not_correct():
    score = only([row("a", 4.0), failure("b")])
    assert score.speedup.value == pytest.approx(2.0)
    assert score.correct.value == 0.5
    assert score.fast[1.0].value == 0.5
    assert (score.failures, score.tasks, score.searches, score.wins) == (1, 2, 2, 1)


def test_a_speedup_counts_only_where_its_interval_lies_beyond():
    noisy = row("a", 1.05, interval=(0.99, 1.1))
    assert not fast(noisy, 1.0) and not won(noisy)
    assert fast(row("a", 1.05), 1.0) and fast(row("a", 2.03), 2.0) and not fast(row("a", 2.01), 2.0)
    assert not won(row("a", 1.015))  # within what two processes differ by
    assert not fast(row("a", 4.0, passed=0), 1.0)
    assert at_least(row("a", 1.0)) == 1.0 and not fast(row("a", 1.0), 1.0)
    assert fast(row("a", 1.2, interval=None, time_kind="modelled"), 1.1)


def test_every_task_weighs_the_same_however_many_seeds_it_has():
    rows = [row("a", 4.0, seed=0), *(row("b", 1.0, seed=seed) for seed in range(5))]
    assert only(rows).speedup.value == pytest.approx(2.0)
    assert only(rows).speedup.tasks == 2


def test_groups_and_settings_have_scores_of_their_own():
    rows = [row("a", 2.0), row("b", 8.0, suite="llm"), row("a", 3.0, setting="beam")]
    found = {(score.setting, score.group): score.speedup.value for score in scores(rows)}
    assert found == pytest.approx({("", "core"): 2.0, ("", "llm"): 8.0, ("", ALL): 4.0, ("beam", "core"): 3.0})
    assert scores([]) == ()


def test_the_score_against_the_speed_of_light_is_a_half_at_the_baseline_and_one_at_the_floor():
    assert light(row("a", 1.0, light_baseline=0.25, light_best=0.25)) == pytest.approx(0.5)
    assert light(row("a", 4.0, light_baseline=0.25, light_best=1.0)) == pytest.approx(1.0)
    assert light(failure()) == 0.0
    assert light(row("a", 4.0)) is None
    assert only([row("a"), failure("b")]).light is None
    at_floor, as_before = {"light_baseline": 0.25, "light_best": 1.0}, {"light_baseline": 0.25, "light_best": 0.25}
    known = only([row("a", 4.0, **at_floor), row("b"), row("a", 1.0, seed=1, **as_before)])
    assert (known.light.value, known.light.tasks) == (pytest.approx(0.75), 1)


def test_libraries_are_compared_with_where_they_were_timed():
    timed = row("a", 4.0, yardsticks={"torch eager": 50.0, "torch compile": 20.0})
    assert library_us(timed) == 20.0
    score = only([timed, row("b", 2.0)])
    assert (score.over_library.value, score.over_library.tasks) == (pytest.approx(20 / 25), 1)
    assert only([row("b")]).over_library is None


def test_seeds_give_what_k_searches_would_come_to():
    rows = [
        row("a", 2.0, seed=0, yardsticks={"cupy": 50.0}),
        failure("a", seed=1),
        row("a", 1.0, seed=2, passed=0, yardsticks={"cupy": 50.0}),
    ]
    score = only(rows)
    assert score.passes[1].value == pytest.approx(1 / 3)
    assert score.passes[2].value == pytest.approx(2 / 3)
    each = sorted([1.0, 0.0, 100 / 150])  # of the limit of 200 µs and the library's 50
    assert score.efficiencies[1].value == pytest.approx(sum(each) / 3)
    assert score.efficiencies[2].value == pytest.approx((max(each[:2]) + max(each[0], each[2]) + max(each[1:])) / 3)
    assert 5 not in score.passes


def test_without_a_library_the_floor_is_the_reference_and_without_both_there_is_none():
    score = only([row("a", 4.0, light_baseline=0.25, light_best=1.0), row("b")])
    assert (score.efficiencies[1].value, score.efficiencies[1].tasks) == (pytest.approx(1.0), 1)
    assert only([row("b")]).efficiencies == {}


def test_costs_are_told_by_the_win():
    score = only([row("a", 2.0), row("b", 1.0), failure("c")])
    assert (score.usd_a_win, score.gpu_seconds_a_win) == (1.0, 60.0)
    none = only([row("b", 1.0)])
    assert none.usd_a_win is None and none.usd == 0.5


def test_intervals_are_over_tasks():
    speedups = [1.0, 1.5, 2.0, 3.0, 4.0, 8.0]
    score = only([row(f"t{i}", speedup) for i, speedup in enumerate(speedups)])
    mean = math.prod(speedups) ** (1 / 6)
    assert score.speedup.low < mean < score.speedup.high
    assert only([row()]).speedup.low is None


def test_a_spreadsheet_gets_numbers_in_full_and_no_formula():
    text = to_csv([row("a", 2.0, yardsticks={"cupy": 5.0}, verdicts={"passed": 3, "wrong": 1}, steps="=HYPERLINK(1)"), failure("b")])
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["speedup"], first["speedup_low"], first["win"]) == ("2.0", "1.98", "1")
    assert (first["cupy_us"], first["attempts wrong"]) == ("5.0", "1")
    assert first["steps"] == "'=HYPERLINK(1)"
    assert (second["failure"], second["speedup"], second["cupy_us"]) == ("it does not build", "", "")
