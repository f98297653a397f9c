"""The shipped playbook, held against the rules that there are."""

from __future__ import annotations

from functools import lru_cache

from kernelsearch import playbook


@lru_cache(maxsize=1)
def book() -> playbook.Playbook:
    """Raises `UsageError` where a file of the playbook is not right."""
    from kernelsearch.propose.rules import RULES

    return playbook.load({rule.name for rule in RULES})
