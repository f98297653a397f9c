"""Thoughts before the search: each asked once, the strategy afterwards, and resuming as if nothing had happened."""

import threading

import pytest
from fakes import FakeWorker

from kernelsearch.model import Attempt, Budget, Outcome, RewardProfile, Thought
from kernelsearch.search import Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import STRATEGIES, open_strategy
from kernelsearch.strategy.rooted import rooted

THOUGHTS = tuple(Thought(title=f"way {i}", plan=f"plan {i}") for i in range(3))


def go(folder, name: str, candidates: int, *, parallel: int = 1, replies=None) -> list:
    """The nodes of a run in `folder`, begun or gone on with."""
    journal = Journal(folder / "journal.jsonl", Blobs(folder / "blobs"))
    rewards = RewardProfile(name="test", weights={"speedup": 1.0}, gates={})
    run = Run(budget=Budget(candidates=candidates), parallel=parallel, rewards=rewards, watch=lambda event: None, stop=threading.Event())
    strategy = rooted(open_strategy(name, seed=3, options={}), THOUGHTS, seed=3)
    search(run, strategy, FakeWorker(replies=replies), journal)
    journal.close()
    return list(journal.nodes)


@pytest.mark.parametrize("parallel", [1, 2, 8])
@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_thoughts_are_tried_on_the_baseline_first_and_each_once(tmp_path, name, parallel):
    nodes = go(tmp_path, name, 12, parallel=parallel)
    proposals = [node.attempt.proposal for node in nodes[1:]]
    first = sorted(proposals[:3], key=lambda proposal: proposal.ticket)
    assert [(p.ticket, p.parent, p.directive, p.note) for p in first] == [(i, 0, f"way {i}", f"plan {i}") for i in range(3)]
    assert not any(p.note.startswith("plan") for p in proposals[3:])
    assert len({p.ticket for p in proposals}) == len({p.seed for p in proposals}) == 12


@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_a_run_that_was_stopped_goes_on_as_one_that_was_not(tmp_path, cut):
    told = [[(n.parent, n.time_us) for n in go(tmp_path / "whole", "mcts", 12)]]
    go(tmp_path / "cut", "mcts", cut)
    told.append([(n.parent, n.time_us) for n in go(tmp_path / "cut", "mcts", 12)])
    assert told[0] == told[1]


def test_what_passed_is_edited_further(tmp_path):
    nodes = go(tmp_path, "mcts", 30)
    assert {1, 2, 3} & {node.parent for node in nodes[4:]}


def test_thoughts_that_come_to_nothing_leave_the_search_to_the_strategy(tmp_path):
    nothing = {i: lambda p: Attempt(proposal=p, outcome=Outcome.UNUSABLE, detail="no edit") for i in range(3)}
    nodes = go(tmp_path, "greedy", 6, replies=nothing)
    assert [node.attempt.outcome for node in nodes[1:4]] == [Outcome.UNUSABLE] * 3
    assert all(node.attempt.outcome is Outcome.EVALUATED for node in nodes[4:]) and len(nodes) == 7


def test_without_thoughts_it_is_the_strategy_itself():
    strategy = open_strategy("mcts", seed=3, options={})
    assert rooted(strategy, (), seed=3) is strategy
