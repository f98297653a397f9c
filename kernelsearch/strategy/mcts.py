"""Monte Carlo tree search over trajectories of edits: UCT with progressive widening.

A node is a kernel, a child is an edit of it, and a simulation is one real evaluation. Regressions stay in the tree and can be edited
further, for an edit that costs time now may be what the next one needs. A kernel that failed is a dead end: it counts as a visit
and is never edited.

- Selection: UCB1, Q + c sqrt(ln N / n) [Auer, Cesa-Bianchi, Fischer 2002], Q scaled to [0, 1] over the run. c = 1.41 as in Reasoning
  Compiler (arXiv 2506.01374).
- Widening: a node may have ceil(k n^alpha) children [Couetoux et al. 2011], at most `width`.
- Backup: a mix of mean and maximum; for finding one good kernel the maximum matters, for robustness to noise the mean does.
- Virtual loss: an attempt under way counts as a visit worth nothing, so that parallel attempts spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kernelsearch.model import Node, Outcome, Proposal
from kernelsearch.strategy.proposals import Proposals


@dataclass(slots=True)
class _Vertex:
    number: int
    parent: _Vertex | None
    depth: int
    children: list[_Vertex] = field(default_factory=list)
    attempts: int = 0  # edits tried from here, failed ones included
    failures: int = 0  # of those, ended without a kernel to go on from
    pending: int = 0  # attempts under way in this subtree
    pending_here: int = 0  # of those, edits of this very node
    visits: int = 0
    total: float = 0.0
    best: float = -math.inf
    exhausted: bool = False  # nothing more is known to try on this node
    closed: bool = False  # exhausted, and so is everything below


class Mcts:
    """Options: `c` exploration, `k` and `alpha` widening, `beta` share of the maximum in Q, `width` and `depth` limits,
    `patience` failures in a row, without any child, that close a node."""

    def __init__(
        self,
        *,
        seed: int,
        c: float = 1.41,
        k: float = 2.0,
        alpha: float = 0.5,
        beta: float = 0.7,
        width: float = 16,
        depth: float = 24,
        patience: float = 12,
    ) -> None:
        self._proposals = Proposals(seed)
        self._c, self._k, self._alpha, self._beta = c, k, alpha, beta
        self._width, self._depth, self._patience = width, depth, patience
        self._vertices: dict[int, _Vertex] = {}
        self._asked: dict[int, _Vertex] = {}  # ticket -> the node it edits
        self._low, self._high = math.inf, -math.inf

    def ask(self) -> Proposal | None:
        root = self._vertices.get(0)
        if root is None or root.closed:
            return None
        vertex = root
        while not self._may_widen(vertex):
            choice = self._select(vertex)
            if choice is None:
                break
            vertex = choice
        if vertex.exhausted:
            return None  # everything that is open waits for an answer
        proposal = self._proposals.make(vertex.number)
        self._asked[proposal.ticket] = vertex
        vertex.pending_here += 1
        self._add_pending(vertex, 1)
        return proposal

    def tell(self, node: Node) -> None:
        self._proposals.seen(node)
        if node.number == 0:
            self._vertices[0] = root = _Vertex(0, None, 0, closed=not node.passed)
            self._back_up(root, self._value(node))
            return
        parent = self._vertices[node.parent or 0]
        proposal = node.attempt.proposal
        if proposal is not None and self._asked.pop(proposal.ticket, None) is not None:
            parent.pending_here -= 1
            self._add_pending(parent, -1)
        if node.attempt.outcome is Outcome.EXHAUSTED:
            parent.exhausted = True
            self._close_upwards(parent)
            return
        parent.attempts += 1
        if node.passed and node.attempt.outcome is Outcome.EVALUATED:
            vertex = _Vertex(node.number, parent, parent.depth + 1, exhausted=parent.depth + 1 >= self._depth)
            self._vertices[node.number] = vertex
            parent.children.append(vertex)
            self._back_up(vertex, self._value(node))
            vertex.closed = vertex.exhausted
            if not vertex.closed:
                self._open_upwards(parent)  # a late answer may arrive below a node that was closed meanwhile
        else:
            parent.failures += 1
            self._back_up(parent, self._value(node))
        if self._worn_out(parent):
            parent.exhausted = True
            self._close_upwards(parent)

    def _worn_out(self, vertex: _Vertex) -> bool:
        return len(vertex.children) >= self._width or (not vertex.children and vertex.failures >= self._patience)

    def _may_widen(self, vertex: _Vertex) -> bool:
        if vertex.exhausted:
            return False
        limit = min(math.ceil(self._k * math.pow(max(1, vertex.visits + vertex.pending), self._alpha)), self._width)
        return len(vertex.children) + vertex.pending_here < limit

    def _select(self, vertex: _Vertex) -> _Vertex | None:
        open_children = [child for child in vertex.children if not child.closed]
        if not open_children:
            return None
        parent_visits = math.log(max(1, vertex.visits + vertex.pending) + 1)
        return max(open_children, key=lambda child: (self._uct(child, parent_visits), -child.number))

    def _uct(self, vertex: _Vertex, parent_visits: float) -> float:
        visits = vertex.visits + vertex.pending
        mean = (self._scaled(vertex.total / vertex.visits) * vertex.visits) / visits
        value = (1 - self._beta) * mean + self._beta * self._scaled(vertex.best) * vertex.visits / visits
        return value + self._c * math.sqrt(parent_visits / visits)

    def _scaled(self, value: float) -> float:
        return 0.5 if self._high <= self._low else (value - self._low) / (self._high - self._low)

    def _value(self, node: Node) -> float:
        """The node's reward; an attempt without one is worth the worst seen."""
        if node.reward is None:
            return self._low if math.isfinite(self._low) else 0.0
        self._low, self._high = min(self._low, node.reward.value), max(self._high, node.reward.value)
        return node.reward.value

    def _back_up(self, vertex: _Vertex, value: float) -> None:
        step: _Vertex | None = vertex
        while step is not None:
            step.visits += 1
            step.total += value
            step.best = max(step.best, value)
            step = step.parent

    def _add_pending(self, vertex: _Vertex, change: int) -> None:
        step: _Vertex | None = vertex
        while step is not None:
            step.pending += change
            step = step.parent

    def _open_upwards(self, vertex: _Vertex) -> None:
        step: _Vertex | None = vertex
        while step is not None and step.closed:
            step.closed = False
            step = step.parent

    def _close_upwards(self, vertex: _Vertex) -> None:
        step: _Vertex | None = vertex
        while step is not None and step.exhausted and all(child.closed for child in step.children):
            step.closed = True
            step = step.parent
