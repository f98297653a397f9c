"""The shipped playbook, held against the rules that there are; and who chooses from it in a run."""

from __future__ import annotations

from functools import lru_cache

from kernelsearch import catalog, playbook
from kernelsearch.errors import UsageError
from kernelsearch.model import Context, Directive, Hardware, Task

CHOOSERS = ("bandit", "none")  # what `RunSpec.playbook` may be


@lru_cache(maxsize=1)
def book() -> playbook.Playbook:
    """Raises `UsageError` where a file of the playbook is not right."""
    from kernelsearch.propose.rules import RULES

    return playbook.load({rule.name for rule in RULES})


def check_chooser(name: str) -> None:
    """Raise `UsageError` for a `RunSpec.playbook` that there is not."""
    if name not in CHOOSERS:
        raise UsageError(f"no way to choose directives is called {name!r}; one of {', '.join(CHOOSERS)}")


def open_chooser(name: str, *, proposer: str, task: Task, hardware: Hardware) -> playbook.Chooser | None:
    """Who names directives for `proposer`; None for "none". The rules are asked only for what they can do, a model may always try."""
    check_chooser(name)
    if name == "none":
        return None
    settings = catalog.bandit_settings()
    if proposer != "rules":
        return playbook.Chooser(book(), settings, task=task, hardware=hardware)
    from kernelsearch.propose.rules import able

    def can(directive: Directive, context: Context) -> bool:
        return able(directive, context, task)

    return playbook.Chooser(book().with_rules(), settings, task=task, hardware=hardware, able=can)
