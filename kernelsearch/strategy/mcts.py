"""Monte Carlo tree search over trajectories of edits, as OptiML-X (arXiv 2602.12305) frames it; the paper gives no constants.

A node is a kernel, a child is an edit of it, and a simulation is one real evaluation. Regressions stay in the tree and can be edited
further, for an edit that costs time now may be what the next one needs. A kernel that failed is a dead end and is never edited.

- Selection: at each kernel its open children compete with one more edit of the kernel itself, as in adaptive branching MCTS (arXiv
  2503.04412). UCT: Q + c sqrt(ln N / n) [Auer, Cesa-Bianchi, Fischer 2002]; or PUCT: Q + c P sqrt(N) / (1 + n), with a prior P from the
  rewards that the kernels showed themselves. Q is scaled to [0, 1] over the kernels of the run. Reasoning Compiler (arXiv
  2506.01374) takes c = 1.41 where a cost model answers thousands of times; of tens of evaluations so large a bonus leaves best-of-n.
- Widening: a kernel may have ceil(k n^alpha) children [Couetoux et al. 2011], at most `width`.
- Backup: a mix of mean and maximum; for finding one good kernel the maximum matters, for robustness to noise the mean does.
- Noise: a share `refresh` of attempts tries again what cannot be told from the best; values are means over trials.
- `carry`: the share of edits that take over a directive which paid in another branch.
- Virtual loss: an attempt under way counts as a visit worth nothing, so that parallel attempts spread.
- Nothing answers stagnation. Crossovers, kicks, climbs begun anew and a `c` that grows were tried on rugged spaces; several
  were worse, and the one that looked better was not on fresh seeds (benchmarks/README.md, "Strategies").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.carry import Carry
from kernelsearch.strategy.contenders import Contenders
from kernelsearch.strategy.kernels import Answer, Kernel, Kernels

_TEMPERATURE = 0.25  # of the prior: a kernel whose reward lies a quarter of the range higher is e times as likely


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    width: float = 24
    depth: float = 32
    patience: float = 12


@dataclass(slots=True, eq=False)
class _Vertex:
    kernel: Kernel
    parent: _Vertex | None
    children: list[_Vertex] = field(default_factory=list)
    pending: int = 0  # attempts under way in this subtree
    visits: int = 0
    total: float = 0.0
    best: float = -math.inf
    full: bool = False  # it gets no further edits of its own
    closed: bool = False  # full, and so is everything below


class Mcts:
    """Options: `c` exploration, `puct` 1 for PUCT, `k` and `alpha` widening, `beta` share of the maximum in Q, `refresh` and `carry` shares
    of attempts; limits are `width` and `depth` of the tree, and `patience`: edits without any kernel after which a kernel is given up."""

    LIMITS = tuple(limit.name for limit in fields(_Limits))  # further options

    def __init__(
        self,
        *,
        seed: int,
        c: float = 0.05,
        puct: float = 0,
        k: float = 2.0,
        alpha: float = 0.5,
        beta: float = 0.9,
        refresh: float = 0.05,
        carry: float = 0.3,
        **limits: float,
    ) -> None:
        self._kernels = Kernels(seed)
        self._contenders, self._carry, self._share = Contenders(share=refresh), Carry(), carry
        self._c, self._puct, self._k, self._alpha, self._beta = c, bool(puct), k, alpha, beta
        self._limits = _Limits(**limits)
        self._vertices: dict[int, _Vertex] = {}
        self._low, self._high = math.inf, -math.inf

    @property
    def tickets(self) -> int:
        """How many attempts were asked for, earlier sessions included."""
        return self._kernels.next_ticket

    def ask(self, *, at: int | None = None) -> Proposal | None:
        """The next attempt; an edit of node `at` where one is named that can still be edited."""
        root = self._vertices.get(0)
        if root is None or root.closed:
            return None
        if at is not None and not self._vertices[at].full:
            self._add_pending(self._vertices[at], 1)
            return self._kernels.edit(self._vertices[at].kernel)
        again = self._contenders.next_repeat(self._kernels.answered + self._kernels.under_way)
        vertex = self._vertices[again.number] if again is not None else self._descend(root)
        self._add_pending(vertex, 1)
        return self._kernels.repeat(vertex.kernel) if again is not None else self._edit(vertex.kernel)

    def tell(self, node: Node) -> None:
        self.learn(node)

    def learn(self, node: Node) -> Answer:
        """`tell`, with what was learned for whoever builds on this search."""
        proposal = node.attempt.proposal
        if proposal is not None and self._kernels.asked(proposal.ticket):
            self._add_pending(self._vertices[proposal.parent], -1)
        answer = self._kernels.tell(node)
        self._carry.learn(answer)
        parent = None if answer.parent is None else self._vertices[answer.parent.number]
        if answer.kernel is not None:
            self._learn_value(answer.kernel, repeated=answer.repeated)
            vertex = self._vertices.get(answer.kernel.number) or self._grow(answer.kernel, parent)
            self._back_up(vertex, answer.node.reward.value if answer.node.reward is not None else self._low)
        elif answer.barren and parent is not None:
            self._back_up(parent, self._low)
        if parent is not None:
            self._close(parent)
        return answer

    def _edit(self, kernel: Kernel) -> Proposal:
        chance = self._kernels.chance(self._kernels.next_ticket)
        carried = self._carry.to(kernel) if chance.random() < self._share else None
        if carried is None:
            return self._kernels.edit(kernel)
        return self._kernels.edit(kernel, directive=carried.directive, others=(carried.example,))

    def _descend(self, vertex: _Vertex) -> _Vertex:
        """To the kernel to edit: an open one always leads to one that is not full."""
        while True:
            choice = self._select(vertex)
            if choice is vertex:
                return vertex
            vertex = choice

    def _may_widen(self, vertex: _Vertex) -> bool:
        kernel = vertex.kernel
        return kernel.children + kernel.pending < math.ceil(self._k * math.pow(vertex.visits + vertex.pending, self._alpha))

    def _select(self, vertex: _Vertex) -> _Vertex:
        """The best of the open children and, where it may be edited, of the kernel itself; of equals the older."""
        children = [child for child in vertex.children if not child.closed]
        if not children:
            return vertex
        here = not vertex.full and self._may_widen(vertex)
        visits = vertex.visits + vertex.pending
        wide = self._c * (math.sqrt(visits) if self._puct else math.sqrt(math.log(visits + 1.0)))
        shares = self._shares([*children, vertex] if here else children) if self._puct else [1.0] * (len(children) + 1)
        best, choice = -math.inf, vertex
        if here:
            kernel = vertex.kernel
            best = self._index(self._scaled(kernel.value), kernel.attempts + kernel.trials, kernel.pending, wide * shares[-1])
        for child, share in zip(children, shares, strict=False):
            index = self._index(self._quality(child), child.visits, child.pending, wide * share)
            if index > best:
                best, choice = index, child
        return choice

    def _index(self, quality: float, answered: int, pending: int, wide: float) -> float:
        """Quality, to which attempts under way add nothing but their number, with the bonus of UCT or PUCT."""
        tried = answered + pending
        return quality * answered / tried + (wide / (1 + tried) if self._puct else wide / math.sqrt(tried))

    def _shares(self, arms: list[_Vertex]) -> list[float]:
        """Of each arm the prior of PUCT."""
        weights = [math.exp(self._scaled(arm.kernel.value) / _TEMPERATURE) for arm in arms]
        whole = math.fsum(weights)
        return [weight / whole for weight in weights]

    def _quality(self, vertex: _Vertex) -> float:
        return self._scaled((1 - self._beta) * vertex.total / vertex.visits + self._beta * vertex.best)

    def _scaled(self, value: float) -> float:
        return 0.5 if self._high <= self._low else (value - self._low) / (self._high - self._low)

    def _learn_value(self, kernel: Kernel, *, repeated: bool) -> None:
        self._low, self._high = min(self._low, kernel.value), max(self._high, kernel.value)
        self._contenders.put(kernel, repeated=repeated)

    def _grow(self, kernel: Kernel, parent: _Vertex | None) -> _Vertex:
        vertex = self._vertices[kernel.number] = _Vertex(kernel, parent)
        if parent is not None:
            parent.children.append(vertex)
        self._close(vertex)
        return vertex

    def _back_up(self, vertex: _Vertex, value: float) -> None:
        """Count a rollout worth `value` at `vertex`. The maximum is taken anew, since another trial may have lowered a mean."""
        step: _Vertex | None = vertex
        while step is not None:
            step.visits += 1
            step.total += value
            step.best = max([step.kernel.value, *(child.best for child in step.children)])
            step = step.parent

    def _add_pending(self, vertex: _Vertex, change: int) -> None:
        step: _Vertex | None = vertex
        while step is not None:
            step.pending += change
            step = step.parent

    def _close(self, vertex: _Vertex) -> None:
        """Say anew of `vertex` whether it is full, and of it and its ancestors whether they are closed. A late answer may open them."""
        kernel, limits = vertex.kernel, self._limits
        spent = kernel.children >= limits.width or (not kernel.children and kernel.attempts >= limits.patience)
        vertex.full = kernel.exhausted or kernel.depth >= limits.depth or spent
        step: _Vertex | None = vertex
        while step is not None:
            closed = step.full and all(child.closed for child in step.children)
            if closed == step.closed and step is not vertex:
                return
            step.closed = closed
            step = step.parent
