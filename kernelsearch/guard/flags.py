"""Compiler flags, of which only those known to be harmless are let through: an option can read files, run programs and load libraries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kernelsearch.guard.cuda import not_allowed
from kernelsearch.guard.policy import guard_policy
from kernelsearch.model import Finding, Task

_LIBRARY = re.compile(r"-l([\w+.-]+)")


def scan(flags: Iterable[str], task: Task, also: re.Pattern[str] | None = None) -> Iterator[Finding]:
    """Every flag must be known to be harmless. `-Xptxas` takes the next word along. `also`: further harmless ones."""
    policy = guard_policy()
    words = iter(flags)
    for flag in words:
        if also and also.fullmatch(flag):
            continue
        name, equals, value = flag.partition("=")
        if name in ("-Xptxas", "--ptxas-options"):
            options = (value if equals else next(words, "")).split(",")
            if bad := [option for option in options if not policy.ptxas.fullmatch(option)]:
                yield _forbidden("compiler flag", f"{name} {bad[0] or 'without an option'} is not among the options allowed for ptxas")
        elif rule := next((rule for rule in policy.flags if rule.pattern.fullmatch(flag)), None):
            if rule.needs_fast_math and not task.policy.fast_math:
                yield _forbidden("fast math", f"{flag} lowers precision, which the task does not allow ([policy] fast_math = true would)")
        elif library := _LIBRARY.fullmatch(flag):
            if library[1] not in task.policy.libraries:
                yield _forbidden("compiler flag", not_allowed(f"{flag} links a library", library[1]))
        else:
            yield _forbidden("compiler flag", f"{flag!r} is not among the flags allowed: {policy.flag_words}")


def _forbidden(rule: str, message: str) -> Finding:
    return Finding(rule=rule, message=message, forbidden=True)
