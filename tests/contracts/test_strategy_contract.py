"""What every strategy must do, on landscapes made up here; no device and no model."""

import random

import pytest
from nodes import exhausted, failed, passed

from kernelsearch.errors import UsageError
from kernelsearch.model import Node
from kernelsearch.strategy import STRATEGIES, open_strategy


class Landscape:
    """Edits with effects drawn from (parent, ticket): a stand-in for worker and journal."""

    def __init__(self, failing: float = 0.3, edits: int | None = None) -> None:
        self.nodes = [passed(0, None, 100.0)]
        self.failing = failing
        self.edits = edits
        self.made: dict[int, int] = {}

    def answer(self, proposal) -> Node:
        parent = self.nodes[proposal.parent]
        made = self.made[proposal.parent] = self.made.get(proposal.parent, 0) + 1
        if self.edits is not None and made > self.edits:
            return self._add(exhausted(len(self.nodes), proposal))
        draw = random.Random(proposal.seed)
        if draw.random() < self.failing:
            return self._add(failed(len(self.nodes), proposal))
        return self._add(passed(len(self.nodes), proposal, parent.time_us * draw.uniform(0.7, 1.3)))

    def _add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node


def play(name: str, landscape: Landscape, steps: int, parallel: int = 1, seed: int = 0):
    """Run `steps` attempts with up to `parallel` under way, answered oldest first; returns the proposals."""
    strategy = open_strategy(name, seed=seed, options={})
    strategy.tell(landscape.nodes[0])
    asked, pending = [], []
    while len(asked) < steps:
        while len(pending) < parallel and (proposal := strategy.ask()) is not None:
            asked.append(proposal)
            pending.append(proposal)
        if not pending:
            break
        strategy.tell(landscape.answer(pending.pop(0)))
    return strategy, asked


@pytest.fixture(params=sorted(STRATEGIES))
def name(request) -> str:
    return request.param


def test_asks_only_for_kernels_that_passed(name):
    landscape = Landscape()
    _, asked = play(name, landscape, 60)
    assert len(asked) == 60
    assert all(landscape.nodes[p.parent].passed for p in asked)


def test_same_seed_same_questions(name):
    first = play(name, Landscape(), 40)[1]
    assert first == play(name, Landscape(), 40)[1]
    assert first != play(name, Landscape(), 40, seed=1)[1]


def test_telling_a_journal_rebuilds_the_state(name):
    landscape = Landscape()
    live, _ = play(name, landscape, 30)
    rebuilt = open_strategy(name, seed=0, options={})
    for node in landscape.nodes:
        rebuilt.tell(node)
    assert [live.ask() for _ in range(3)] == [rebuilt.ask() for _ in range(3)]


def test_ends_when_nothing_is_left(name):
    strategy, asked = play(name, Landscape(failing=1.0, edits=2), 100)
    assert len(asked) == 3  # two edits, and the answer that there are no more
    assert strategy.ask() is None


def test_a_failed_baseline_is_not_edited(name):
    strategy = open_strategy(name, seed=0, options={})
    strategy.tell(failed(0, None))
    assert strategy.ask() is None


def test_tickets_are_unique_with_many_under_way(name):
    _, asked = play(name, Landscape(), 50, parallel=8)
    assert len({p.ticket for p in asked}) == len(asked) >= 50
    assert len({p.seed for p in asked}) == len(asked)


def test_finds_something_better_than_the_baseline(name):
    landscape = Landscape()
    play(name, landscape, 80)
    assert min(n.time_us for n in landscape.nodes if n.time_us) < 80


def test_unknown_names_and_options_are_refused():
    with pytest.raises(UsageError, match="unknown strategy"):
        open_strategy("annealing", seed=0, options={})
    with pytest.raises(UsageError, match="temperature"):
        open_strategy("mcts", seed=0, options={"temperature": 1.0})
