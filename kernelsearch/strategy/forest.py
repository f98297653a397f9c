"""Scattered Forest Search (arXiv 2411.05010): distinct directions before branching, several roots, scouting shared between branches.

- Forest: the first `roots` edits are all of the baseline, each in another direction; every one of them roots a tree.
- Scatter: no two edits of a kernel go in the same direction. Directions are the directives seen so far in the run; where
  none is left that promises anything, the proposer is told which ones were taken and asked for another.
- Scout: which direction is next is decided by what it gained on all trees together, with a bonus for those seldom tried.
- Backbone: tree search, as in the paper; which kernel is edited is the business of `mcts`.

The paper asks the model for directions in words. Here they come from what was edited, so that scouting also serves a proposer without a
model; wherever nothing is wished for, the directive is free for whoever chooses directives.
"""

from __future__ import annotations

import math
from dataclasses import replace

from kernelsearch.model import Node, Proposal
from kernelsearch.strategy.gains import Gains, directive_of
from kernelsearch.strategy.mcts import Mcts

_NAMED = 8  # directions that a note names
_OFFERED = 64  # directions looked at for one edit, those that were heard of last


class Forest:
    """Options: `roots`, `curiosity` (of a direction seldom tried, in units of reward), `c` and `width` as in `mcts`."""

    def __init__(self, *, seed: int, roots: float = 4, curiosity: float = 0.1, c: float = 0.1, width: float = 24) -> None:
        self._tree = Mcts(seed=seed, c=c, width=width, carry=0.0)
        self._roots, self._curiosity = int(roots), curiosity
        self._scouted = Gains()
        self._taken: dict[int, set[str]] = {}  # directions by the kernel that was edited
        self._edits = 0  # that were answered

    def ask(self) -> Proposal | None:
        scattering = self._tree.tickets < self._roots
        proposal = self._tree.ask(at=0) if scattering else self._tree.ask()
        if proposal is None or proposal.repeat:
            return proposal
        taken = self._taken.get(proposal.parent, set())
        direction = None if scattering else self._direction(taken)
        if direction is not None:
            self._taken.setdefault(proposal.parent, set()).add(direction)
            return replace(proposal, directive=direction)
        note = f"Take another direction than these, which were taken from here: {', '.join(sorted(taken)[:_NAMED])}." if taken else ""
        return replace(proposal, note=note)

    def tell(self, node: Node) -> None:
        answer = self._tree.learn(node)
        self._scouted.learn(answer)
        if answer.parent is None or answer.repeated or answer.says_nothing:
            return
        self._edits += not answer.exhausted
        proposal = node.attempt.proposal
        wished = "" if proposal is None else proposal.directive or ""
        if names := {directive_of(answer), wished} - {""}:
            self._taken.setdefault(answer.parent.number, set()).update(names)

    def _direction(self, taken: set[str]) -> str | None:
        """The most promising direction that was not taken; None when no known one promises a gain."""
        offered = [name for name in list(self._scouted)[-_OFFERED:] if name not in taken]
        best = max(offered, key=lambda name: (self._promise(name), name), default=None)
        return best if best is not None and self._promise(best) > 0.0 else None

    def _promise(self, name: str) -> float:
        found = self._scouted[name]
        known = found.gains / found.tried  # an edit that gave no kernel gained nothing
        return known + self._curiosity * math.sqrt(math.log(self._edits + 1.0) / found.tried)
