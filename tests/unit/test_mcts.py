"""What is particular to the tree search: widening, virtual loss, dead ends, and cost that does not grow with the tree."""

from collections import Counter

import pytest
from nodes import exhausted, failed, passed

from kernelsearch.model import Attempt, Node, Outcome, Proposal
from kernelsearch.strategy.mcts import Mcts


def root() -> Node:
    return passed(0, None, 10.0, reward=0.0)


def test_the_root_widens_before_anything_is_known():
    strategy = Mcts(seed=0)
    strategy.tell(root())
    assert [strategy.ask().parent for _ in range(3)] == [0, 0, 0]


def test_a_promising_child_is_edited_further():
    strategy = Mcts(seed=0, c=0.3)
    strategy.tell(root())
    parents = Counter()
    for number in range(1, 60):
        proposal = strategy.ask()
        parents[proposal.parent] += 1
        good = proposal.parent == 1 or number == 1
        strategy.tell(passed(number, proposal, 5.0 if good else 20.0, reward=1.0 if good else -1.0))
    assert parents[1] > max(count for parent, count in parents.items() if parent not in (0, 1))


def test_a_regression_can_still_be_edited():
    strategy = Mcts(seed=0, k=1.0, alpha=0.0)  # one child a node: the tree is a chain
    strategy.tell(root())
    first = strategy.ask()
    strategy.tell(passed(1, first, 30.0, reward=-1.5))
    assert strategy.ask().parent == 1


def test_a_failed_kernel_is_never_edited():
    strategy = Mcts(seed=0)
    strategy.tell(root())
    for number in range(1, 8):
        proposal = strategy.ask()
        assert proposal.parent == 0
        strategy.tell(failed(number, proposal))


def test_parallel_attempts_spread():
    strategy = Mcts(seed=0, k=1.0, alpha=0.5)
    strategy.tell(root())
    for number in range(1, 7):
        strategy.tell(passed(number, Proposal(ticket=number, parent=0, seed=0), 9.0, reward=0.1))
    asked = [strategy.ask().parent for _ in range(6)]
    assert len(set(asked)) >= 4


def test_an_exhausted_subtree_is_closed_and_a_late_answer_opens_it_again():
    strategy = Mcts(seed=0)
    strategy.tell(root())
    late, empty = strategy.ask(), strategy.ask()
    strategy.tell(exhausted(1, empty))
    assert strategy.ask() is None
    strategy.tell(passed(2, late, 8.0, reward=0.3))
    assert strategy.ask().parent == 2


def test_a_baseline_whose_edits_all_fail_ends_the_search():
    strategy = Mcts(seed=0, patience=5)
    strategy.tell(root())
    number = 0
    while (proposal := strategy.ask()) is not None:
        number += 1
        strategy.tell(failed(number, proposal))
    assert number == 5


@pytest.mark.parametrize("size", [200, 2000])
def test_work_per_ask_is_bounded(size, monkeypatch):
    looked_at = Counter()
    original = Mcts._quality

    def counting(self, vertex):
        looked_at["total"] += 1
        return original(self, vertex)

    monkeypatch.setattr(Mcts, "_quality", counting)
    strategy = Mcts(seed=0)
    strategy.tell(root())
    most = 0
    for number in range(1, size):
        looked_at.clear()
        proposal = strategy.ask()
        most = max(most, looked_at["total"])
        draw = (proposal.seed % 1000) / 1000
        strategy.tell(passed(number, proposal, 10.0, reward=draw))
    assert 0 < most <= 24 * 32  # width x depth, whatever the size of the tree


def test_a_node_without_reward_counts_as_the_worst_seen():
    strategy = Mcts(seed=0)
    strategy.tell(root())
    proposal = strategy.ask()
    strategy.tell(Node(number=1, attempt=Attempt(proposal=proposal, outcome=Outcome.UNUSABLE), reward=None))
    strategy.tell(passed(2, strategy.ask(), 5.0, reward=1.0))
    assert strategy.ask().parent in (0, 2)
