"""Source and flags looked at before anything is built: what the task does not allow, and what deserves a second look.

`check` knows forms only by the table of their scanners: a form whose source is in another language adds one entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from kernelsearch.guard import cuda
from kernelsearch.guard.policy import guard_policy
from kernelsearch.model import Candidate, Finding, Form, Task

_SCANNERS: Mapping[Form, Callable[[str, Task], Iterable[Finding]]] = {Form.LAUNCHER: cuda.scan, Form.KERNELS: cuda.scan}
_LIBRARY = re.compile(r"-l([\w+.-]+)")
_AT_MOST = 50


def check(candidate: Candidate, task: Task) -> tuple[Finding, ...]:
    """Findings in the order of the source, forbidden ones first, fifty at most; empty when there is nothing to say."""
    findings = [*_flags(candidate.flags, task)]
    size = len(candidate.source.encode(errors="replace"))
    if size > guard_policy().source_bytes:
        findings.append(_forbidden("size", f"the source has {size} bytes; {guard_policy().source_bytes} are allowed"))
        return tuple(findings)
    if (at := candidate.source.find("\0")) >= 0:
        findings.append(_forbidden("characters", "a NUL character", candidate.source.count("\n", 0, at) + 1))
        return tuple(findings)
    return ordered([*findings, *_SCANNERS[task.form](candidate.source, task)])


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Forbidden ones first, then by line; fifty at most, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: (not finding.forbidden, finding.line or 0))[:_AT_MOST])


def suspicious(findings: Iterable[Finding]) -> bool:
    """Whether a candidate with these findings, none of them a reason to reject it, is to be checked more strictly than others."""
    return any(not finding.forbidden and finding.rule in guard_policy().strict_rules for finding in findings)


def _forbidden(rule: str, message: str, line: int | None = None) -> Finding:
    return Finding(rule=rule, message=message, line=line, forbidden=True)


def _flags(flags: tuple[str, ...], task: Task) -> Iterator[Finding]:
    """Every flag must be known to be harmless. `-Xptxas` takes the next word along."""
    policy = guard_policy()
    words = iter(flags)
    for flag in words:
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
                yield _forbidden("compiler flag", cuda.not_allowed(f"{flag} links a library", library[1]))
        else:
            yield _forbidden("compiler flag", f"{flag!r} is not among the flags allowed: {policy.flag_words}")
