"""A look at source and flags before anything runs. A tripwire, not a wall: names can be hidden, so nothing relies on it alone."""

from __future__ import annotations

from kernelsearch.guard.check import check

__all__ = ["check"]
