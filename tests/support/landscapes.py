"""Stand-ins for worker and journal: what becomes of a proposal follows from its seed and from what was asked of that parent before."""

import random

from nodes import ended, exhausted, failed, passed, trial

from kernelsearch.model import Node, Outcome
from kernelsearch.strategy import open_strategy

NOTHING = (Outcome.DUPLICATE, Outcome.UNUSABLE, Outcome.LLM_FAILED)


class Landscape:
    """Edits that change a time by chance. `edits`: how many there are of each kernel."""

    def __init__(self, failing: float = 0.3, edits: int | None = None) -> None:
        self.nodes = [passed(0, None, 100.0)]
        self.failing = failing
        self.edits = edits
        self.made: dict[int, int] = {}

    def answer(self, proposal) -> Node:
        made = self.made[proposal.parent] = self.made.get(proposal.parent, 0) + 1
        if self.edits is not None and made > self.edits:
            return self.add(exhausted(len(self.nodes), proposal))
        draw = random.Random(proposal.seed)
        if draw.random() < self.failing:
            return self.add(failed(len(self.nodes), proposal))
        return self.add(passed(len(self.nodes), proposal, self.nodes[proposal.parent].time_us * draw.uniform(0.7, 1.3)))

    def add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node


class Noisy(Landscape):
    """Every outcome there is, times with intervals, and directives that help by their own amount."""

    def __init__(self, edits: int | None = 9) -> None:
        super().__init__(edits=edits)
        self.nodes = [trial(0, None, 1.0)]
        self.true = {0: 1.0}

    def answer(self, proposal) -> Node:
        number, draw = len(self.nodes), random.Random(proposal.seed)
        if proposal.repeat:
            return self.add(trial(number, proposal, self.true[proposal.parent] * draw.uniform(0.95, 1.05)))
        made = self.made[proposal.parent] = self.made.get(proposal.parent, 0) + 1
        if self.edits is not None and made > self.edits:
            return self.add(exhausted(number, proposal))
        if (chance := draw.random()) < 0.15:
            return self.add(failed(number, proposal))
        if chance < 0.3:
            return self.add(ended(number, proposal, draw.choice(NOTHING)))
        directive = proposal.directive or f"edit-{draw.randrange(8)}"
        without_noise = self.true[proposal.parent] * (0.9 + 0.05 * (hash_of(directive) % 6))
        self.true[number] = min(max(without_noise, 0.01), 100.0) * draw.uniform(0.95, 1.05)
        return self.add(trial(number, proposal, self.true[number] * draw.uniform(0.97, 1.03), directive=directive))


class Hill:
    """Three settings from 0 to 4, one of which moves by one in an edit; the fastest is (3, 2, 4). What was tried is not made again."""

    START, TOP = (0, 4, 1), (3, 2, 4)

    def __init__(self) -> None:
        self.nodes = [passed(0, None, self.time(self.START))]
        self.settings = {0: self.START}
        self.tried = {self.START}

    def time(self, settings) -> float:
        return 10.0 * 1.3 ** sum(abs(a - b) for a, b in zip(settings, self.TOP, strict=True))

    def answer(self, proposal) -> Node:
        number, here = len(self.nodes), self.settings[proposal.parent]
        moves = [(at, step) for at in range(3) for step in (-1, 1) if 0 <= here[at] + step <= 4]
        fresh = [there for at, step in moves if (there := (*here[:at], here[at] + step, *here[at + 1 :])) not in self.tried]
        if not fresh:
            node = exhausted(number, proposal)
        else:
            self.settings[number] = random.Random(proposal.seed).choice(fresh)
            self.tried.add(self.settings[number])
            node = passed(number, proposal, self.time(self.settings[number]))
        self.nodes.append(node)
        return node


def hash_of(text: str) -> int:
    """The same in every process."""
    return sum(map(ord, text))


def play(name: str, landscape, steps: int, parallel: int = 1, seed: int = 0, shuffle: bool = False, options=None):
    """Run `steps` attempts with up to `parallel` under way, answered oldest first or in a random order; the strategy and its proposals."""
    strategy = open_strategy(name, seed=seed, options=options or {})
    strategy.tell(landscape.nodes[0])
    asked, pending, order = [], [], random.Random(seed)
    while len(asked) < steps or pending:
        while len(asked) < steps and len(pending) < parallel and (proposal := strategy.ask()) is not None:
            asked.append(proposal)
            pending.append(proposal)
        if not pending:
            break
        strategy.tell(landscape.answer(pending.pop(order.randrange(len(pending)) if shuffle else 0)))
    return strategy, asked


def rebuilt(name: str, nodes, seed: int = 0):
    """A new strategy that was told the nodes, as when a run is resumed."""
    strategy = open_strategy(name, seed=seed, options={})
    for node in nodes:
        strategy.tell(node)
    return strategy
