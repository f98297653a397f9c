"""Which node is the best of a run: the last whose second trial showed that it is faster than the best before it."""

from dataclasses import replace

import pytest
from nodes import candidate, measured, passing

from kernelsearch.model import Attempt, Evaluation, Interval, Outcome, Proposal, Verdict
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", Blobs(tmp_path / "blobs"))
    yield journal
    journal.close()


def record(journal: Journal, evaluation: Evaluation, outcome: Outcome = Outcome.EVALUATED) -> int:
    """Append it as an attempt of its own; the number of the best after it."""
    number = len(journal.nodes)
    proposal = None if number == 0 else Proposal(ticket=number, parent=0, seed=0)
    journal.append(Attempt(proposal=proposal, outcome=outcome, candidate=candidate(number), evaluation=evaluation), None, float(number))
    return journal.best.number


def paired(name: str, speedup: float, low: float, high: float, **confirmed) -> Evaluation:
    """Against the baseline in pairs."""
    measurement = measured(100.0 / speedup, speedup, Interval(low=low, high=high, confidence=0.99))
    return replace(passing(1.0, name, **confirmed), measurement=measurement)


def test_a_faster_time_alone_takes_no_place(journal):
    assert record(journal, passing(100.0, "base")) == 0
    assert record(journal, passing(10.0, "fast")) == 0
    assert record(journal, passing(10.0, "not held", against="base", held=False)) == 0
    assert record(journal, passing(90.0, "held", against="base")) == 1 + 2


def test_a_trial_against_the_best_itself_decides_whatever_the_times(journal):
    """Of two runs the times differ by clocks; the trial had both kernels side by side."""
    record(journal, paired("base", 1.0, 0.99, 1.01))
    assert record(journal, paired("a", 2.0, 1.9, 2.1, against="base")) == 1
    assert record(journal, paired("b", 1.95, 1.85, 2.05, against="a")) == 2


@pytest.mark.parametrize(
    ("speedup", "low", "high", "best"),
    [
        (3.0, 2.9, 3.1, 2),
        (2.3, 2.11, 2.5, 2),  # the intervals do not meet
        (2.3, 2.1, 2.5, 1),  # they touch
        (2.3, 2.05, 2.5, 1),  # they overlap
        (1.5, 1.4, 1.6, 1),
    ],
)
def test_a_trial_against_an_older_best_counts_where_the_two_are_apart(journal, speedup, low, high, best):
    """Two attempts side by side: both beat the baseline, and only one can be the best."""
    record(journal, paired("base", 1.0, 0.99, 1.01))
    record(journal, paired("a", 2.0, 1.9, 2.1, against="base"))
    assert record(journal, paired("b", speedup, low, high, against="base")) == best


@pytest.mark.parametrize(("time_us", "best"), [(49.0, 2), (50.0, 1), (51.0, 1)])
def test_of_modelled_times_the_shorter_is_the_best(journal, time_us, best):
    record(journal, passing(100.0, "base"))
    record(journal, passing(50.0, "a", against="base"))
    assert record(journal, passing(time_us, "b", against="base")) == best


def test_what_did_not_pass_is_never_the_best(journal):
    record(journal, passing(100.0, "base"))
    hazard = replace(passing(10.0, "b", against="base"), verdict=Verdict.HAZARD)
    assert record(journal, hazard) == 0


def test_a_duplicate_of_the_best_does_not_take_its_place_again(journal):
    """It shares the evaluation, whose trial was against the node before."""
    record(journal, paired("base", 1.0, 0.99, 1.01))
    first = paired("a", 2.0, 1.9, 2.1, against="base")
    assert record(journal, first) == 1
    assert record(journal, first, Outcome.DUPLICATE) == 1


def test_the_best_is_the_same_after_reading_it_back(journal, tmp_path):
    record(journal, paired("base", 1.0, 0.99, 1.01))
    record(journal, paired("a", 2.0, 1.9, 2.1, against="base"))
    record(journal, paired("b", 2.05, 1.95, 2.15, against="base"))
    record(journal, paired("c", 4.0, 3.9, 4.1, against="base"))
    again = Journal(journal.path, Blobs(tmp_path / "blobs"))
    assert again.best == journal.best == journal.nodes[3]
