"""Which differences are real: by intervals, by seeds, corrected; and what is not compared."""

import random

import pytest
from suite_rows import failure, row

from kernelsearch.suite.compare import compare, holm


def one(a, b):
    (difference,) = compare([a], [b]).differences
    return difference


def test_one_search_each_is_told_apart_by_intervals():
    far = one(row("a", 2.0), row("a", 3.0))
    assert far.real and far.ratio == pytest.approx(1.5) and far.low < 1.5 < far.high and far.p < 0.001
    near = one(row("a", 2.0), row("a", 2.02))
    assert not near.real and near.p > 0.05
    assert one(row("a", 3.0), row("a", 2.0)).ratio == pytest.approx(2 / 3)


def test_what_is_smaller_than_an_effect_is_none_however_exact():
    exact = {"time_kind": "modelled", "interval": None}
    assert not one(row("a", 2.0, **exact), row("a", 2.01, **exact)).real
    assert one(row("a", 2.0, **exact), row("a", 2.1, **exact)).real
    assert not one(row("a", 2.0, **exact), row("a", 2.0, **exact)).real


def test_without_an_interval_nothing_is_tested():
    found = one(row("a", 2.0, interval=None), row("a", 3.0))
    assert found.p is None and not found.real and found.note == "no interval was measured"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"device": "NVIDIA A100"}, "other devices: NVIDIA H100 and NVIDIA A100"),
        ({"time_kind": "modelled"}, "measured and modelled times"),
        ({"digest": "edited"}, "another task of that name"),
    ],
)
def test_what_does_not_compare_is_said_and_counts_nowhere(change, why):
    found = compare([row("a", 2.0)], [row("a", 3.0, **change)])
    assert found.differences[0].why == why and found.differences[0].ratio is None
    assert found.overall is None


def test_failures_are_named_and_count_as_no_speedup():
    found = one(failure("a"), row("a", 3.0))
    assert found.ratio == pytest.approx(3.0) and found.p is None and found.note == "A failed"
    assert one(failure("a"), failure("a")).why == "both failed"


def test_what_is_only_in_one_is_named():
    found = compare([row("a"), row("b")], [row("b"), row("c")])
    assert (found.only_a, found.only_b, [d.task for d in found.differences]) == (("core/a",), ("core/c",), ["b"])


def by_seed(task, speedups, **more):
    return [row(task, speedup, seed=seed, **more) for seed, speedup in enumerate(speedups)]


def test_several_seeds_tell_ways_to_search_apart_when_there_are_enough():
    a, b = [2.0, 2.2, 1.9, 2.1, 2.3, 2.0, 1.8], [2.6, 2.8, 2.5, 2.4, 2.9, 2.7, 2.5]
    (found,) = compare(by_seed("t", a), by_seed("t", b)).differences
    assert found.real and found.seeds == 7 and found.p == pytest.approx(2 / 2**7) and found.low < found.ratio < found.high
    (few,) = compare(by_seed("t", a[:5]), by_seed("t", b[:5])).differences
    assert not few.real
    (none,) = compare(by_seed("t", [2.0, 3.0]), [row("t", 2.0, seed=7), row("t", 2.0, seed=8)]).differences
    assert none.why == "no seed in common"


def test_settings_are_told_apart_only_where_there_are_several():
    a = [row("t", 2.0, setting="mcts"), row("t", 3.0, setting="beam")]
    assert [(d.setting, d.ratio) for d in compare(a, a).differences] == [("beam", 1.0), ("mcts", 1.0)]
    assert compare([a[0]], [a[1]]).differences[0].ratio == pytest.approx(1.5)


def test_holm_is_what_its_definition_says():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_many_tasks_without_a_difference_are_rarely_called_real():
    drawn, false = random.Random(3), 0
    for _ in range(25):
        a = [row(f"t{i}", speedup := 2.0 * drawn.gauss(1.0, 0.004), interval=(speedup * 0.99, speedup * 1.01)) for i in range(20)]
        b = [row(f"t{i}", speedup := 2.0 * drawn.gauss(1.0, 0.004), interval=(speedup * 0.99, speedup * 1.01)) for i in range(20)]
        false += bool(compare(a, b).real)
    assert false <= 4  # of 25 families at 5 %


def test_over_all_tasks_each_weighs_the_same():
    a = [row(f"t{i}", 2.0) for i in range(8)]
    b = [row(f"t{i}", 2.0 * (1.1 + 0.01 * i)) for i in range(8)]
    overall = compare(a, b).overall
    assert overall.real and overall.low < overall.ratio < overall.high and overall.p == pytest.approx(2 / 2**8)
