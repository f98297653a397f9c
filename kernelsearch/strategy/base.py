"""Which node to edit next: ask and tell.

A strategy holds no history of its own beyond what `tell` gave it: telling the journal's nodes in order rebuilds its state, so
resuming is replaying. `ask` and `tell` cost time proportional to the depth of the tree, not to its size.
"""

from __future__ import annotations

from typing import Protocol

from kernelsearch.model import Node, Proposal


class Strategy(Protocol):
    """Not thread-safe: the main thread of a run alone calls it."""

    def ask(self) -> Proposal | None:
        """The next attempt to make; None when nothing is left to try until a pending attempt is told."""
        ...

    def tell(self, node: Node) -> None:
        """Learn what became of an attempt, asked for by this object or read from a journal. Node 0 comes first."""
        ...
