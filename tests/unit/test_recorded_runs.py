"""Recorded runs as a pool of transitions: other strategies get the same answers, and nothing that was not recorded."""

import threading
from pathlib import Path

import pytest
import recorded_runs
import synthetic_space
from recorded_runs import PoolWorker, played, pooled
from spaces import recorded
from spaces.oracle import Oracle

from kernelsearch import catalog, digest
from kernelsearch.errors import UsageError
from kernelsearch.model import Budget, Context, Outcome, Proposal
from kernelsearch.search import Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import open_strategy
from kernelsearch.workers.base import Request

REWARDS = catalog.reward_profile("default")


def run_of(strategy: str, seed: int, folder: Path, name: str = "synthetic") -> list:
    space = recorded.of(synthetic_space.recording(), name)
    journal = Journal(folder / f"{strategy}{seed}.jsonl", Blobs(folder / "blobs"))
    run = Run(budget=Budget(candidates=30), parallel=1, rewards=REWARDS, watch=lambda event: None, stop=threading.Event())
    search(run, open_strategy(strategy, seed=seed, options={}), Oracle(space, seed=0), journal)
    journal.close()
    return journal.nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> list:
    return run_of("greedy", 1, tmp_path_factory.mktemp("run"))


def test_the_strategy_that_recorded_a_pool_finds_its_best_in_it(nodes):
    pool = pooled([nodes])
    best = min(node.time_us for node in nodes if node.time_us)
    assert pool.best_us == best
    again = played(pool, "greedy", 1, 30, REWARDS)
    assert again.share > 0.97  # within the effect that counts as faster
    assert again.answered > 0.7


def test_another_strategy_gets_only_what_was_recorded(nodes):
    pool = pooled([nodes])
    root = next(iter(pool.transitions))
    recorded_here = len(pool.transitions[root])
    found = played(pool, "best-of-n", 1, 30, REWARDS)
    assert found.evaluations <= recorded_here < 30
    assert found.answered == recorded_here / (recorded_here + 1)


def test_answers_keep_their_order_prefer_a_wish_and_end_as_exhausted(nodes):
    pool = pooled([nodes])
    worker = PoolWorker(pool)
    known = pool.transitions[digest.candidate(nodes[0].candidate)]
    context = Context(parent=nodes[0], best=nodes[0], baseline=nodes[0])
    with_source = [attempt for attempt in known if attempt.candidate is not None]
    wish = with_source[-1].candidate.origin.directive
    got = [
        worker.submit(Request(proposal=Proposal(ticket=i, parent=0, seed=i, directive=wish if i == 0 else None), context=context)).result()
        for i in range(len(known) + 1)
    ]
    assert got[0].candidate.origin.directive == wish
    assert got[-1].outcome is Outcome.EXHAUSTED
    assert sorted(a.candidate.source for a in got[:-1] if a.candidate) == sorted(a.candidate.source for a in with_source)
    assert (worker.asked, worker.answered) == (len(known) + 1, len(known))


def test_a_trial_that_was_not_recorded_is_not_made_up(nodes):
    worker = PoolWorker(pooled([nodes]))
    context = Context(parent=nodes[0], best=nodes[0], baseline=nodes[0])
    attempt = worker.submit(Request(proposal=Proposal(ticket=0, parent=0, seed=0, repeat=True), context=context)).result()
    assert (attempt.outcome, attempt.evaluation) == (Outcome.UNUSABLE, None)


def test_runs_of_other_kernels_or_devices_are_not_pooled(nodes, tmp_path):
    with pytest.raises(UsageError, match="cannot be pooled"):
        pooled([nodes, run_of("greedy", 2, tmp_path, name="elsewhere")])


def test_a_pool_of_two_runs_knows_the_transitions_of_both(nodes, tmp_path):
    other = run_of("mcts", 5, tmp_path)
    both = pooled([nodes, other])
    counts = [sum(map(len, pooled([run]).transitions.values())) for run in (nodes, other)]
    assert sum(map(len, both.transitions.values())) == sum(counts)
    assert recorded_runs.played(both, "mcts", 5, 40, REWARDS).answered > 0.3
