"""What every strategy must do, on landscapes made up here; no device and no model."""

import random

import pytest
from landscapes import NOTHING, Hill, Landscape, Noisy, play, rebuilt
from nodes import by_hand, ended, failed, passed, trial

from kernelsearch.errors import UsageError
from kernelsearch.model import Outcome, Proposal
from kernelsearch.model.run import NO_TICKET
from kernelsearch.strategy import STRATEGIES, SUMMARIES, open_strategy


@pytest.fixture(params=sorted(STRATEGIES))
def name(request) -> str:
    return request.param


def test_asks_for_nothing_before_the_baseline_is_known(name):
    assert open_strategy(name, seed=0, options={}).ask() is None


def test_asks_only_for_kernels_that_passed(name):
    landscape = Noisy(edits=None)
    _, asked = play(name, landscape, 80)
    assert len(asked) == 80
    for proposal in asked:
        named = [landscape.nodes[number] for number in (proposal.parent, *proposal.others)]
        assert all(node.passed and node.attempt.outcome is Outcome.EVALUATED for node in named)


def test_same_seed_same_questions(name):
    first = play(name, Noisy(), 60)[1]
    assert first == play(name, Noisy(), 60)[1]
    assert [p.seed for p in first] != [p.seed for p in play(name, Noisy(), 60, seed=1)[1]]


@pytest.mark.parametrize("cut", [1, 9, 70])
def test_a_resumed_run_asks_what_one_asks_that_never_stopped(name, cut):
    landscape = Noisy()
    _, asked = play(name, landscape, 110)
    strategy = rebuilt(name, landscape.nodes[:cut])
    again = []
    for node in landscape.nodes[cut:]:
        again.append(strategy.ask())
        strategy.tell(node)
    assert again == asked[cut - 1 :]


def test_what_was_asked_and_never_answered_leaves_no_trace_in_a_resumed_run(name):
    landscape = Noisy()
    live, _ = play(name, landscape, 40)
    lost = [live.ask() for _ in range(3)]
    assert [strategy.ask() for strategy in [rebuilt(name, landscape.nodes)] for _ in range(3)] == lost


def test_answers_out_of_order_lead_to_the_same_state(name):
    landscape = Noisy(edits=None)
    live, asked = play(name, landscape, 64, parallel=8, shuffle=True)
    assert len({p.ticket for p in asked}) == len({p.seed for p in asked}) == len(asked) == 64
    after = rebuilt(name, landscape.nodes)
    assert [live.ask() for _ in range(3)] == [after.ask() for _ in range(3)]


@pytest.mark.parametrize("parallel", [1, 8])
def test_ends_when_nothing_is_left_and_not_before(name, parallel):
    hill = Hill()
    strategy, asked = play(name, hill, 2_000, parallel=parallel, shuffle=True)
    assert strategy.ask() is None and len(asked) < 2_000
    assert len(hill.tried) == (1 + 4 if name == "best-of-n" else 5**3)


def test_two_edits_and_the_answer_that_there_are_no_more(name):
    strategy, asked = play(name, Landscape(failing=1.0, edits=2), 100)
    assert len(asked) == 3 and strategy.ask() is None


def test_a_failed_baseline_is_not_edited(name):
    strategy = open_strategy(name, seed=0, options={})
    strategy.tell(failed(0, None))
    assert strategy.ask() is None


@pytest.mark.parametrize("outcome", NOTHING)
def test_attempts_without_a_kernel_are_taken_in(name, outcome):
    strategy = rebuilt(name, [passed(0, None, 100.0)])
    for number in range(1, 6):
        strategy.tell(ended(number, strategy.ask(), outcome))
    strategy.tell(passed(6, strategy.ask(), 50.0))
    assert strategy.ask() is not None


def test_a_repeat_is_no_kernel_of_its_own(name):
    landscape = Noisy(edits=None)
    strategy, _ = play(name, landscape, 30)
    number = len(landscape.nodes)
    strategy.tell(trial(number, Proposal(ticket=number, parent=0, seed=0, repeat=True), 1.0))
    assert all(proposal.parent != number for proposal in [strategy.ask() for _ in range(20)] if proposal is not None)


def play_with_a_hand(name, landscape, steps: int, parallel: int):
    """As `play`, answered in a random order. Every seventh node is one that nobody asked for, of any parent that left a kernel."""
    strategy, order = open_strategy(name, seed=0, options={}), random.Random(0)
    strategy.tell(landscape.nodes[0])
    pending, asked = [], 0
    while asked < steps or pending:
        while asked < steps and len(pending) < parallel and (proposal := strategy.ask()) is not None:
            asked += 1
            pending.append(proposal)
        if not pending:
            break
        strategy.tell(landscape.answer(pending.pop(order.randrange(len(pending)))))
        if len(landscape.nodes) % 7 == 0:
            left = [node for node in landscape.nodes if node.candidate is not None]
            failed_too = [node for node in left if not node.passed and len(landscape.nodes) % 2]
            parent = order.choice(failed_too or left).number
            landscape.true[len(landscape.nodes)] = order.uniform(0.8, 1.6)
            strategy.tell(landscape.add(by_hand(len(landscape.nodes), parent, landscape.true[len(landscape.nodes)])))
    return strategy


@pytest.mark.parametrize(("steps", "parallel"), [(48, 1), (41, 6), (45, 6), (50, 6)])
def test_takes_in_what_it_did_not_ask_for_and_resumes_from_it(name, steps, parallel):
    landscape = Noisy(edits=None)
    live = play_with_a_hand(name, landscape, steps, parallel)
    added = [node for node in landscape.nodes if node.attempt.proposal is not None and node.attempt.proposal.by_hand]
    assert len(added) >= 5 and any(not landscape.nodes[node.parent].passed for node in added)
    tickets = [node.attempt.proposal.ticket for node in landscape.nodes[1:] if not node.attempt.proposal.by_hand]
    assert sorted(tickets) == list(range(steps))
    after = rebuilt(name, landscape.nodes)
    assert [live.ask() for _ in range(5)] == [after.ask() for _ in range(5)]


@pytest.mark.parametrize("mended", [False, True])
def test_goes_on_from_what_it_did_not_ask_for(name, mended):
    """Also where it mends a kernel that failed, which no strategy knows."""
    landscape = Noisy(edits=None)
    strategy, _ = play(name, landscape, 20)
    number = len(landscape.nodes)
    landscape.true[number] = 50.0
    wrong = next(node.number for node in landscape.nodes if node.candidate is not None and not node.passed)
    strategy.tell(landscape.add(by_hand(number, wrong if mended else 0, 50.0)))
    parents = set()
    for _ in range(24):
        proposal = strategy.ask()
        parents.add(proposal.parent)
        strategy.tell(landscape.answer(proposal))
    assert number in parents or name == "best-of-n"


@pytest.mark.parametrize("before", [1, 12])
def test_what_is_added_uses_up_no_turn_of_what_is_under_way(name, before):
    landscape = Noisy(edits=None)
    live, _ = play(name, landscape, before)
    pending = [live.ask() for _ in range(4)]
    for _ in range(15):
        number = len(landscape.nodes)
        landscape.true[number] = 1.01
        live.tell(landscape.add(by_hand(number, pending[0].parent, 1.01)))
    for proposal in pending:
        live.tell(landscape.answer(proposal))
    after = rebuilt(name, landscape.nodes)
    assert [live.ask() for _ in range(12)] == [after.ask() for _ in range(12)]


def test_failures_of_a_person_close_nothing(name):
    landscape = Noisy(edits=None)
    strategy, _ = play(name, landscape, 6)
    best = max((node for node in landscape.nodes if node.passed), key=lambda node: node.reward.value).number
    for number in range(7, 60):
        strategy.tell(failed(number, Proposal(ticket=NO_TICKET, parent=(0, best)[number % 2], seed=0, by_hand=f"letter {number}")))
    assert [strategy.ask() for _ in range(3)] == [other.ask() for other in [rebuilt(name, landscape.nodes)] for _ in range(3)]


def test_what_was_added_begins_a_search_anew_that_had_nothing_left(name):
    hill = Hill()
    strategy, _ = play(name, hill, 2_000)
    assert strategy.ask() is None
    number = len(hill.nodes)
    strategy.tell(by_hand(number, 0, 90.0))
    again = strategy.ask()
    assert again.parent == number if name != "best-of-n" else again is None


def test_goes_on_for_thousands_of_nodes(name):
    landscape = Noisy(edits=40)
    _, asked = play(name, landscape, 2_000, parallel=4, shuffle=True)
    assert len(asked) == 2_000 or name == "best-of-n"
    assert sum(p.repeat for p in asked) <= len(asked) / 10


def test_climbs_to_the_top_of_a_hill(name):
    hill = Hill()
    play(name, hill, 200)
    found = min(node.time_us for node in hill.nodes if node.time_us is not None)
    assert found == pytest.approx(hill.time(hill.TOP)) or name == "best-of-n"  # which makes one step at most, and shows what a search adds


def test_unknown_names_and_options_are_refused(name):
    with pytest.raises(UsageError, match="temperature"):
        open_strategy(name, seed=0, options={"temperature": 1.0})
    with pytest.raises(UsageError, match="unknown strategy"):
        open_strategy("annealing", seed=0, options={})


def test_every_strategy_is_told_in_a_line():
    assert set(SUMMARIES) == {*STRATEGIES, "auto"}
