"""The shipped playbook, held against the rules that there are; and what of it a proposer can carry out."""

from __future__ import annotations

from functools import lru_cache

from kernelsearch import playbook
from kernelsearch.model import Task
from kernelsearch.playbook.choose import Able


@lru_cache(maxsize=1)
def book() -> playbook.Playbook:
    """Raises `UsageError` where a file of the playbook is not right."""
    from kernelsearch.propose.rules import RULES

    return playbook.load({rule.name for rule in RULES})


def for_proposer(name: str, task: Task) -> tuple[playbook.Playbook, Able | None]:
    """The directives that a proposer can be asked for, and how to know whether it can carry one out: a model may always try."""
    if name != "rules":
        return book(), None
    from kernelsearch.propose.rules import able

    return book().with_rules(), lambda directive, context: able(directive, context, task)
