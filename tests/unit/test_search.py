"""The loop of a run: budgets, replay, stopping, and what is recorded."""

import threading
from concurrent.futures import Future
from dataclasses import replace

import pytest
from fakes import FakeWorker
from nodes import candidate, passing

from kernelsearch import catalog
from kernelsearch import loop as module
from kernelsearch.chosen import resolved
from kernelsearch.errors import BaselineFailed, DeviceLost
from kernelsearch.model import Attempt, Budget, Evaluation, Origin, Outcome, RewardProfile, RunSpec, Usage, Verdict
from kernelsearch.playbook import Chooser
from kernelsearch.propose.book import book
from kernelsearch.propose.lessons import Lessons
from kernelsearch.search import NodeDone, Run, Warned, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import open_strategy


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", Blobs(tmp_path / "blobs"))
    yield journal
    journal.close()


def run_with(budget: Budget, watch=lambda event: None, parallel: int = 1, stop: threading.Event | None = None) -> Run:
    rewards = RewardProfile(name="test", weights={"speedup": 1.0}, gates={})
    return Run(budget=budget, parallel=parallel, rewards=rewards, watch=watch, stop=stop or threading.Event())


def mcts():
    return open_strategy("mcts", seed=3, options={})


def test_budget_in_candidates_ends_the_run(journal):
    ended = search(run_with(Budget(candidates=7)), mcts(), FakeWorker(), journal)
    assert "7 candidates" in ended
    assert len(journal.nodes) == 8


@pytest.mark.parametrize("parallel", [1, 4])
def test_attempts_under_way_count_towards_the_budget(journal, parallel):
    search(run_with(Budget(candidates=6), parallel=parallel), mcts(), FakeWorker(), journal)
    assert journal.totals.candidates == 6


def test_budget_in_money_ends_the_run(journal):
    ended = search(run_with(Budget(candidates=100, usd=1.0)), mcts(), FakeWorker(usd=0.25), journal)
    assert "1 USD" in ended
    assert journal.totals.usage.usd == pytest.approx(1.0)


def test_budget_in_minutes_counts_earlier_sessions(journal):
    run = Run(
        budget=Budget(minutes=1),
        parallel=1,
        rewards=RewardProfile(name="test", weights={}, gates={}),
        watch=lambda event: None,
        stop=threading.Event(),
        before=61.0,
    )
    assert "1 minutes" in search(run, mcts(), FakeWorker(), journal)
    assert len(journal.nodes) == 1


def test_every_node_is_announced_once_in_order(journal):
    events = []
    search(run_with(Budget(candidates=5), events.append), mcts(), FakeWorker(), journal)
    nodes = [event.node.number for event in events if isinstance(event, NodeDone)]
    assert nodes == list(range(6))
    assert events[-1].best is journal.best


def test_the_best_is_the_last_that_was_confirmed(journal):
    bests = []
    search(run_with(Budget(candidates=20), lambda event: bests.append(event.best)), mcts(), FakeWorker(), journal)
    times = [best.time_us for best in bests]
    assert times == sorted(times, reverse=True) and len(set(times)) > 2
    assert journal.best.time_us == min(node.time_us for node in journal.nodes)
    confirmed = [node for node in journal.nodes if node.evaluation.confirmation is not None]
    assert journal.best is confirmed[-1]


def test_nonsense_for_ever_is_ended_by_the_budget(journal):
    nonsense = {
        ticket: lambda p: Attempt(proposal=p, outcome=Outcome.UNUSABLE, detail="no edit", usage=Usage(input_tokens=5, calls=1))
        for ticket in range(1000)
    }
    ended = search(run_with(Budget(candidates=9)), open_strategy("best-of-n", seed=0, options={}), FakeWorker(replies=nonsense), journal)
    assert "9 candidates" in ended
    assert journal.totals.usage.input_tokens == 45
    assert journal.best is journal.nodes[0]


def test_resuming_is_replaying(journal, tmp_path):
    search(run_with(Budget(candidates=20)), mcts(), FakeWorker(), journal)
    whole = [(n.parent, n.time_us) for n in journal.nodes]
    other = Journal(tmp_path / "other.jsonl", Blobs(tmp_path / "other-blobs"))
    search(run_with(Budget(candidates=8)), mcts(), FakeWorker(), other)
    other.close()
    again = Journal(other.path, Blobs(tmp_path / "other-blobs"))
    worker = FakeWorker()
    search(run_with(Budget(candidates=20)), mcts(), worker, again)
    again.close()
    assert [(n.parent, n.time_us) for n in again.nodes] == whole
    assert len(worker.remembered) == 9 and min(worker.tickets) == 8


def test_the_chooser_names_directives_and_resuming_asks_the_same(journal, tmp_path):
    def go_on(budget: int, into: Journal) -> None:
        chooser = Chooser(book(), catalog.bandit_settings())
        run = replace(run_with(Budget(candidates=budget)), chooser=chooser, lessons=Lessons(book()))
        search(run, mcts(), FakeWorker(), into)

    go_on(20, journal)
    asked = [node.attempt.proposal.directive for node in journal.nodes[1:]]
    assert None not in asked and len(set(asked)) > 5
    other = Journal(tmp_path / "other.jsonl", Blobs(tmp_path / "other-blobs"))
    go_on(9, other)
    other.close()
    again = Journal(other.path, Blobs(tmp_path / "other-blobs"))
    go_on(20, again)
    again.close()
    assert [node.attempt.proposal.directive for node in again.nodes[1:]] == asked


def test_lessons_of_the_run_go_along_with_a_request(journal):
    seen = []

    class Reading(FakeWorker):
        def attempt(self, request):
            done = super().attempt(request)
            if request.context is None:
                return done
            seen.append(request.context.lessons)
            edit = replace(done.candidate, origin=Origin(proposer="p", directive=f"edit {request.proposal.ticket % 3}"))
            return replace(done, candidate=edit)

    search(replace(run_with(Budget(candidates=12)), lessons=Lessons(book())), mcts(), Reading(), journal)
    assert seen[0] == () and 1 <= len(seen[-1]) <= 3
    assert any("edit 0" in line for line in seen[-1])


def test_a_failing_baseline_is_recorded_and_said(journal):
    class Failing(FakeWorker):
        def attempt(self, request):
            evaluation = Evaluation(
                candidate="d",
                verdict=Verdict.BUILD_FAILED,
                detail='candidate.cu:3: error: identifier "x" is undefined',
                environment=super().attempt(request).evaluation.environment,
            )
            return Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate(0), evaluation=evaluation)

    with pytest.raises(BaselineFailed, match="candidate.cu:3: error"):
        search(run_with(Budget(candidates=5)), mcts(), Failing(), journal)
    assert len(journal.nodes) == 1


def test_our_own_failure_ends_the_run_and_keeps_the_journal(journal):
    def lost(proposal):
        raise DeviceLost("the GPU fell off the bus")

    with pytest.raises(DeviceLost):
        search(run_with(Budget(candidates=9)), mcts(), FakeWorker(replies={3: lost}), journal)
    assert len(journal.nodes) == 4


def test_stopping_records_what_still_finishes_and_drops_what_hangs(journal, monkeypatch):
    monkeypatch.setattr(module, "_GRACE_S", 0.05)
    stop = threading.Event()

    class Slow(FakeWorker):
        def submit(self, request):
            if request.proposal is None or request.proposal.ticket == 0:
                return super().submit(request)
            stop.set()
            return Future()  # never answered

    ended = search(run_with(Budget(candidates=9), parallel=2, stop=stop), mcts(), Slow(), journal)
    assert "stopped" in ended
    assert len(journal.nodes) == 2


def test_minutes_that_are_up_do_not_wait_for_a_model_that_thinks(journal, monkeypatch):
    monkeypatch.setattr(module, "_GRACE_S", 0.05)

    class Thinking(FakeWorker):
        def submit(self, request):
            return super().submit(request) if request.proposal is None else Future()

    ended = search(run_with(Budget(minutes=0.005)), mcts(), Thinking(), journal)
    assert "0.005 minutes" in ended
    assert len(journal.nodes) == 1


def test_a_strategy_that_was_left_to_us_is_named_before_the_run_begins():
    spec = resolved(RunSpec(task="", task_name="", strategy="auto", budget=Budget(candidates=5)))
    assert spec.strategy == "greedy" and "candidates or fewer" in spec.strategy_reason
    chosen = RunSpec(task="", task_name="", strategy="beam")
    assert resolved(chosen) is chosen


def test_repeats_count_against_the_budget_and_are_never_the_best(journal):
    def again(proposal):
        evaluation = passing(1.0, "0", against="0")
        return Attempt(proposal=proposal, outcome=Outcome.REPEATED, evaluation=evaluation)

    search(run_with(Budget(candidates=3)), mcts(), FakeWorker(replies=dict.fromkeys(range(3), again)), journal)
    assert journal.totals.candidates == 3 and journal.best.number == 0
    assert Journal(journal.path, Blobs(journal.path.parent / "blobs")).best.number == 0


def test_a_change_of_device_between_results_is_said(journal):
    class Moving(FakeWorker):
        """Judged on another machine from ticket 2 on; a duplicate has the evaluation of its twin."""

        def attempt(self, request):
            done = super().attempt(request)
            if request.proposal is None or request.proposal.ticket < 2:
                return done
            if request.proposal.ticket == 3:
                return replace(done, outcome=Outcome.DUPLICATE)
            environment = replace(done.evaluation.environment, device="another")
            return replace(done, evaluation=replace(done.evaluation, environment=environment))

    events = []
    search(run_with(Budget(candidates=6), events.append), mcts(), Moving(), journal)
    (warned,) = [event.text for event in events if isinstance(event, Warned)]
    assert warned.startswith("judged on another from here on, before on fake")


def test_what_workers_say_is_told_while_the_run_waits(journal):
    told = []
    run = replace(run_with(Budget(candidates=2)), listen=lambda: told.append(len(journal.nodes)))
    search(run, mcts(), FakeWorker(), journal)
    assert told[:2] == [1, 2]
