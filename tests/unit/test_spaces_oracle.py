"""The worker over a recorded space: what it answers follows from the proposal and the record alone."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_space
from spaces import recorded
from spaces.oracle import Habits, Oracle
from spaces.play import at_random, needed, searched, share_at
from spaces.tables import beats, claim, interval, rows, table

from kernelsearch import catalog
from kernelsearch.model import Context, Node, Outcome, Proposal, Verdict
from kernelsearch.score import score
from kernelsearch.strategy import STRATEGIES
from kernelsearch.workers.base import Request

RECORDINGS = Path(__file__).parents[1] / "data" / "spaces"
NO_SLIPS = Habits(careless=0.0, unusable=0.0)


@pytest.fixture(scope="module")
def space() -> recorded.Recorded:
    return recorded.of(synthetic_space.recording(), "synthetic")


def begun(oracle: Oracle) -> Node:
    return Node(number=0, attempt=oracle.submit(Request()).result())


def asked(oracle: Oracle, parent: Node, seed: int = 0, *, siblings=(), others=(), **wishes):
    proposal = Proposal(ticket=seed, parent=parent.number, seed=seed, others=tuple(node.number for node in others), **wishes)
    context = Context(parent=parent, siblings=tuple(siblings), others=tuple(others), best=parent, baseline=parent)
    return oracle.submit(Request(proposal=proposal, context=context)).result()


def changed(space, oracle, parent, attempt):
    old, new = oracle.key_of(parent), oracle.key_of(Node(number=1, attempt=attempt))
    return {name for name, a, b in zip(space.parameters, old, new, strict=True) if a != b}


def test_an_edit_changes_one_parameter_or_two_and_stays_within_the_space(space):
    oracle = Oracle(space, seed=1, habits=NO_SLIPS)
    root = begun(oracle)
    sizes = {1: 0, 2: 0}
    for seed in range(200):
        attempt = asked(Oracle(space, seed=1, habits=NO_SLIPS), root, seed)
        sizes[len(changed(space, oracle, root, attempt))] += 1
        assert attempt.evaluation.verdict is not Verdict.BUILD_FAILED
    assert sizes[1] > sizes[2] > 30


def test_the_same_question_gets_the_same_answer(space):
    root = begun(Oracle(space, seed=1))
    first, second = (asked(Oracle(space, seed=1), root, 7) for _ in range(2))
    assert first == second
    answers = {asked(Oracle(space, seed=seed, habits=NO_SLIPS), root, 7).candidate.source for seed in range(20)}
    assert len(answers) > 3


def test_a_directive_is_the_parameter_to_change(space):
    oracle = Oracle(space, seed=1, habits=replace(NO_SLIPS, two=0.0))
    root = begun(oracle)
    for seed in range(20):
        attempt = asked(Oracle(space, seed=1, habits=replace(NO_SLIPS, two=0.0)), root, seed, directive="UNROLL")
        assert changed(space, oracle, root, attempt) == {"UNROLL"}
        assert attempt.candidate.origin.directive == "UNROLL"


def test_a_second_parent_gives_of_its_own_and_a_wish_only_what_is_wished_for(space):
    oracle = Oracle(space, seed=3, habits=NO_SLIPS)
    root = begun(oracle)
    other_key = next(key for key in space.trials if sum(a != b for a, b in zip(key, oracle.key_of(root), strict=True)) == 5)
    other = Node(number=9, attempt=replace(root.attempt, candidate=oracle._candidate(other_key, "")))
    mixed = [asked(Oracle(space, seed=3, habits=NO_SLIPS), root, seed, others=(other,)) for seed in range(30)]
    keys = [oracle.key_of(Node(number=1, attempt=attempt)) for attempt in mixed]
    crossed = [key for key in keys if all(v in (a, b) for v, a, b in zip(key, oracle.key_of(root), other_key, strict=True))]
    assert len(crossed) > 20
    assert max(sum(a != b for a, b in zip(key, oracle.key_of(root), strict=True)) for key in crossed) > 2


def test_what_was_tried_from_a_kernel_is_not_tried_again_until_nothing_is_left(space):
    oracle = Oracle(space, seed=1, habits=NO_SLIPS)
    root = begun(oracle)
    siblings: list[Node] = []
    while (attempt := asked(oracle, root, len(siblings), siblings=siblings)).outcome is Outcome.EVALUATED:
        siblings.append(Node(number=len(siblings) + 1, attempt=attempt))
    assert attempt.outcome is Outcome.EXHAUSTED
    sources = [node.candidate.source for node in siblings]
    assert len(set(sources)) == len(sources)
    singles = {key for key in space.trials if sum(a != b for a, b in zip(key, oracle.key_of(root), strict=True)) == 1}
    assert singles <= {oracle.key_of(node) for node in siblings}


def test_repeats_draw_new_noise_of_the_same_point(space):
    oracle = Oracle(space, seed=1)
    root = begun(oracle)
    again = [asked(oracle, root, seed, repeat=True) for seed in range(8)]
    assert {attempt.outcome for attempt in again} == {Outcome.REPEATED}
    times = {attempt.evaluation.time_us for attempt in again}
    assert len(times) > 1
    trial = space.trials[oracle.key_of(root)]
    assert all(min(trial.runtimes) * 1e3 <= time * 1.000001 and time <= max(trial.runtimes) * 1.000001e3 for time in times)


def test_failures_are_those_recorded_and_slips_are_failed_builds_or_unusable(space):
    careless = Oracle(space, seed=1, habits=Habits(careless=1.0, unusable=0.3))
    root = begun(careless)
    answers = [asked(Oracle(space, seed=1, habits=Habits(careless=1.0, unusable=0.3)), root, seed) for seed in range(120)]
    assert 15 < sum(answer.outcome is Outcome.UNUSABLE for answer in answers) < 60
    for answer in answers:
        if answer.outcome is Outcome.EVALUATED:
            key = careless.key_of(Node(number=1, attempt=answer))
            refused = key not in space.trials
            assert (answer.evaluation.verdict is Verdict.BUILD_FAILED) == refused
            assert answer.evaluation.passed == math.isfinite(space.time_us(key))


def test_near_duplicates_are_refused_only_within_the_distance_asked_for(space):
    oracle = Oracle(space, seed=1, habits=NO_SLIPS)
    root = begun(oracle)
    assert asked(oracle, root, 1, apart=0.002).outcome is Outcome.EVALUATED
    assert asked(oracle, root, 2, apart=0.5).outcome is Outcome.DUPLICATE


def test_evaluations_can_be_scored(space):
    oracle = Oracle(space, seed=1, habits=NO_SLIPS)
    root = begun(oracle)
    reward = score(root.evaluation, root.evaluation, catalog.reward_profile("default"))
    assert reward.value == 0


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_runs_on_it_unchanged(space, strategy):
    shares, attempts = searched(strategy, space, 3, least=12, longest=12)
    assert len(shares) == 12 <= attempts
    assert all(0 < share <= 1 for share in shares)
    assert shares == sorted(shares)  # the recording's own times of kernels that were shown to be faster by far more than its noise
    assert searched(strategy, space, 3, least=12, longest=12) == (shares, attempts)


def test_random_search_knows_no_luck(space):
    shares = at_random(space, 1, least=10, longest=len(space.trials))
    assert needed(shares) == len(shares)
    assert shares == sorted(shares)
    whole = at_random(space, 1, least=len(space.trials), longest=len(space.trials))
    assert whole[-1] == 1.0


def test_figures_of_curves():
    curve = [0.2, 0.5, 0.96]
    assert (share_at(curve, 2), share_at(curve, 50), share_at([], 3), needed(curve), needed(curve[:2])) == (0.5, 0.96, 0.0, 3, None)
    middle, low, high = interval([0.5] * 9 + [0.9])
    assert (middle, low) == (0.5, 0.5)
    assert high <= 0.9
    assert beats([0.9, 0.91, 0.92] * 5, [0.5, 0.6, 0.55] * 5)
    assert not beats([0.5, 0.6, 0.55] * 5, [0.5, 0.61, 0.55] * 5)


def test_a_strategy_that_does_not_beat_best_of_n_is_shown_as_such():
    curves = {"mcts": [[0.5, 0.97]] * 6, "dull": [[0.4]] * 6, "best-of-n": [[0.4]] * 6, "random": [[0.1, 0.2, 0.3, 0.99]] * 6}
    found = rows(curves)
    assert [row.beats for row in found] == [True, False, None, True]
    shown = table("toy", found, 150)
    assert "| dull | 40.0 [40.0, 40.0] | 40.0 [40.0, 40.0] | 40.0 [40.0, 40.0] | > 150 | 0 % | – | **no** |" in shown
    assert "| 2 | 100 % | 2.00 | yes |" in shown
    assert "1 of 1 spaces (toy); at most half of random's evaluations in 1 of 1 (toy)" in claim("mcts", {"toy": found})
    assert "0 of 1 spaces (none); at most half of random's evaluations in 0 of 1 (none)" in claim("dull", {"toy": found})


@pytest.mark.parametrize("name", recorded.names(RECORDINGS))
def test_recordings_are_whole_and_small(name):
    found = recorded.load(RECORDINGS, name)[name]
    assert 1_000 <= len(found.trials) <= 5_000
    assert all((RECORDINGS / f"{name}.{form}.json.xz").stat().st_size <= 2_000_000 for form in ("t4", "cache"))
    assert all(len(trial.runtimes) >= 7 for trial in found.trials.values() if trial.time is not None)
