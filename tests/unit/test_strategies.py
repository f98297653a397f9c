"""What is particular to single strategies: what they hand along with a proposal, when they try again, and how `auto` chooses."""

import re

import pytest
from landscapes import Noisy, play, rebuilt
from nodes import exhausted, failed, passed, trial

from kernelsearch.cli.options import SearchOptions
from kernelsearch.errors import UsageError
from kernelsearch.model import Budget, Outcome
from kernelsearch.report import words
from kernelsearch.strategy import STRATEGIES, choose, open_strategy, options_of


@pytest.mark.parametrize("name", ["mcts", "priority"])
def test_contenders_that_cannot_be_told_apart_are_tried_again_and_their_means_decide(name):
    landscape = Noisy(edits=None)
    option = {"refresh": 0.25}
    _, asked = play(name, landscape, 80, options=option)
    repeats = [p for p in asked if p.repeat]
    assert 5 <= len(repeats) <= 20
    tried = {p.parent: sum(q.parent == p.parent for q in repeats) for p in repeats}
    assert max(tried.values()) <= 3  # four trials with the first one
    assert not [p for p in play(name, Noisy(edits=None), 80, options={"refresh": 0.0})[1] if p.repeat]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_modelled_times_are_never_tried_again(name):
    strategy = rebuilt(name, [passed(0, None, 100.0)])
    for number in range(1, 60):
        proposal = strategy.ask()
        if proposal is not None:
            assert not proposal.repeat
            strategy.tell(passed(number, proposal, 90.0 + (number % 3)))


def test_a_bad_second_trial_takes_a_kernel_from_the_head_of_the_queue():
    strategy = open_strategy("priority", seed=0, options={"c": 0.0, "refresh": 1.0})
    strategy.tell(trial(0, None, 1.0))
    strategy.tell(trial(1, strategy.ask(), 2.00, 0.2))
    strategy.tell(trial(2, strategy.ask(), 1.95, 0.2))
    again = strategy.ask()
    assert again.repeat and again.parent == 1
    strategy.tell(trial(3, again, 1.5, 0.2))
    asked = [strategy.ask() for _ in range(3)]
    assert next(p.parent for p in asked if not p.repeat) == 2


def test_the_queue_asks_for_kernels_that_are_apart():
    _, asked = play("priority", Noisy(edits=None), 60)
    assert {p.apart for p in asked if not p.repeat} == {0.002}


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_lessons_of_a_run_are_left_to_the_prompt_which_has_them_already(name):
    _, asked = play(name, Noisy(edits=None), 60)
    assert not [p.note for p in asked if re.search("[Ww]orked|worse|right kernel|gained", p.note)]


def test_a_round_of_the_queue_takes_up_distinct_kernels():
    landscape = Noisy(edits=None)
    _, asked = play("priority", landscape, 60, options={"candidates": 5, "refresh": 0.0})
    assert {p.parent for p in asked[:5]} == {0}  # the queue begins with copies of the baseline
    assert len({p.parent for p in asked[40:45]}) == 5


def test_fsr_edits_one_kernel_a_round_and_tells_what_failed():
    strategy = open_strategy("fsr", seed=0, options={"candidates": 3, "rounds": 2})
    strategy.tell(passed(0, None, 100.0))
    first = [strategy.ask() for _ in range(3)]
    assert strategy.ask() is None  # the round waits for its answers
    strategy.tell(failed(1, first[0]))
    strategy.tell(passed(2, first[1], 50.0))
    strategy.tell(passed(3, first[2], 80.0))
    second = [strategy.ask() for _ in range(3)]
    assert {p.parent for p in second} == {2} and "wrong" in second[0].note
    for number, proposal in enumerate(second, 4):
        strategy.tell(passed(number, proposal, 60.0))
    assert strategy.ask() is None  # two rounds


def test_a_beam_keeps_the_best_of_parents_and_children_or_children_alone():
    for keep, parents in ((1, {0, 1}), (0, {1, 2})):
        strategy = open_strategy("beam", seed=0, options={"width": 2, "edits": 1, "keep": keep})
        strategy.tell(passed(0, None, 100.0))
        for number, time in ((1, 90.0), (2, 200.0)):
            strategy.tell(passed(number, strategy.ask(), time))
        assert {strategy.ask().parent, strategy.ask().parent} == parents


def test_long_chains_are_given_credit():
    strategy = open_strategy("best-first", seed=0, options={"width": 100})
    strategy.tell(passed(0, None, 1.0, reward=0.0))
    asked = strategy.ask()
    strategy.tell(passed(1, asked, 1.0, reward=2.0))
    strategy.tell(passed(2, strategy.ask(), 1.0, reward=1.0))  # a child of 1: one longer, and worse
    strategy.tell(passed(3, asked, 1.0, reward=1.05))  # a child of the baseline, a little better than 2
    best = strategy.ask()
    strategy.tell(exhausted(4, best))
    assert best.parent == 1 and strategy.ask().parent == 2


def test_crossover_draws_on_a_second_kernel_and_wishes_for_what_made_it():
    landscape = Noisy(edits=None)
    _, asked = play("evolve", landscape, 80, options={"mutation": 0.0})
    crossed = [p for p in asked if p.others]
    assert len(crossed) > 30
    for proposal in crossed:
        parent, other = landscape.nodes[proposal.parent], landscape.nodes[proposal.others[0]]
        assert parent.reward.value > other.reward.value and f"Kernel {parent.number}" in proposal.note
        assert proposal.directive == (other.candidate.origin.directive or None)
    assert not [p for p in play("evolve", Noisy(edits=None), 80, options={"mutation": 1.0})[1] if p.others]


def test_a_forest_takes_each_direction_from_a_kernel_once_and_prefers_what_paid():
    landscape = Noisy(edits=None)
    _, asked = play("forest", landscape, 120)
    assert [p.parent for p in asked[:4]] == [0] * 4 and not any(p.directive for p in asked[:4])
    wished = [(p.parent, p.directive) for p in asked if p.directive]
    assert len(wished) == len(set(wished)) > 20
    counts = {name: sum(d == name for _, d in wished) for _, name in wished}
    assert max(counts, key=counts.get) in {f"edit-{n}" for n in range(8) if (sum(map(ord, f"edit-{n}")) % 6) >= 4}


def test_the_tree_carries_over_what_paid_in_another_branch():
    landscape = Noisy(edits=None)
    _, asked = play("mcts", landscape, 80, options={"carry": 1.0, "c": 1.0})
    carried = [p for p in asked if p.directive]
    assert len(carried) > 10 and len({(p.parent, p.directive) for p in carried}) == len(carried)
    for proposal in carried:
        example = landscape.nodes[proposal.others[0]]
        assert example.candidate.origin.directive == proposal.directive and example.attempt.outcome is Outcome.EVALUATED
    assert not [p for p in play("mcts", Noisy(edits=None), 80, options={"carry": 0.0, "c": 1.0})[1] if p.directive]


def test_puct_leans_to_kernels_that_showed_a_high_reward():
    """With the same bonus at stake, UCT goes back to the poor child; the prior keeps PUCT from it."""
    counts = {}
    for puct in (0, 1):
        strategy = open_strategy("mcts", seed=0, options={"puct": puct, "c": 1.0, "k": 2.0, "alpha": 0.0, "beta": 0.0, "carry": 0.0})
        strategy.tell(passed(0, None, 1.0, reward=0.0))
        strategy.tell(passed(1, strategy.ask(), 1.0, reward=1.0))
        strategy.tell(passed(2, strategy.ask(), 1.0, reward=-1.0))
        poor = {2}
        for number in range(3, 60):
            proposal = strategy.ask()
            poor |= {number} if proposal.parent in poor else set()
            strategy.tell(passed(number, proposal, 1.0, reward=0.0))
        counts[puct] = len(poor)
    assert counts[1] < counts[0]


@pytest.mark.parametrize(
    ("budget", "parallel", "proposer", "name"),
    [
        (Budget(candidates=8), 1, "rules", "greedy"),
        (Budget(candidates=40, minutes=10.0), 1, "rules", "priority"),
        (Budget(usd=2.0), 1, "openai:m", "mcts"),
        (Budget(candidates=5000), 4, "rules", "mcts"),
        (Budget(), 1, "rules", "mcts"),
        (Budget(candidates=200), 32, "rules", "evolve"),
        (Budget(candidates=5000, minutes=1.0), 1, "rules", "greedy"),
    ],
)
def test_auto_chooses_by_the_tightest_limit_and_says_why(budget, parallel, proposer, name):
    chosen, reason = choose(budget, parallel=parallel, proposer=proposer)
    assert chosen == name and len(reason) > 20


def search_options(**given) -> SearchOptions:
    chosen = {
        "device": "auto",
        "hardware": "",
        "metrics": "quick",
        "seed": 0,
        "unsafe": False,
        "llm": "rules",
        "base_url": "",
        "llm_option": (),
    }
    limits = {"reward": "default", "parallel": 1, "budget": 3, "minutes": None, "usd": None}
    return SearchOptions(**chosen, **limits, **given)


def test_options_of_a_strategy_come_from_the_command_line_and_stand_in_the_command_that_repeats_the_run():
    spec = search_options(strategy="mcts", strategy_option=("c=0.3", "puct=1")).spec("t", "digest")
    assert spec.strategy_options == {"c": 0.3, "puct": 1.0}
    assert "--strategy-option c=0.3 --strategy-option puct=1" in words.command(spec)


@pytest.mark.parametrize("option", ["c", "=1", "c=", "c=fast"])
def test_an_option_that_is_no_name_and_number_is_refused(option):
    with pytest.raises(UsageError, match="--strategy-option"):
        search_options(strategy="mcts", strategy_option=(option,)).spec("t", "digest")


def test_an_unknown_option_is_answered_with_those_that_there_are():
    with pytest.raises(UsageError, match="'beam' has no option 'nosuch'; it has width, edits, keep"):
        open_strategy("beam", seed=0, options={"nosuch": 1.0})
    with pytest.raises(UsageError, match="'best-of-n' has no option 'patience'; it has none"):
        open_strategy("best-of-n", seed=0, options={"patience": 1.0})
    for name, kind in STRATEGIES.items():
        assert open_strategy(name, seed=0, options=dict.fromkeys(options_of(kind), 1.0))
