"""Source and flags looked at before anything is built: what the task does not allow, and what deserves a second look.

`check` knows forms only by the table of their scanners: a form whose source is in another language adds one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kernelsearch.guard import cuda, flags, python
from kernelsearch.guard.policy import guard_policy
from kernelsearch.model import Candidate, Finding, Form, Task

_SCANNERS: Mapping[Form, Callable[[str, Task], Iterable[Finding]]] = {
    Form.LAUNCHER: cuda.scan,
    Form.KERNELS: cuda.scan,
    Form.TORCH: python.scan,
}
_AT_MOST = 50


def check(candidate: Candidate, task: Task) -> tuple[Finding, ...]:
    """Findings in the order of the source, forbidden ones first, fifty at most; empty when there is nothing to say."""
    findings = [*flags.scan(candidate.flags, task)]
    size = len(candidate.source.encode(errors="replace"))
    if size > guard_policy().source_bytes:
        findings.append(_forbidden("size", f"the source has {size} bytes; {guard_policy().source_bytes} are allowed"))
        return tuple(findings)
    if (at := candidate.source.find("\0")) >= 0:
        findings.append(_forbidden("characters", "a NUL character", candidate.source.count("\n", 0, at) + 1))
        return tuple(findings)
    return ordered([*findings, *_SCANNERS[task.form](candidate.source, task)])


def check_python(source: str, task: Task) -> tuple[Finding, ...]:
    """The same for a Python module."""
    return ordered(python.scan(source, task))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Forbidden ones first, then by line; fifty at most, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: (not finding.forbidden, finding.line or 0))[:_AT_MOST])


def suspicious(findings: Iterable[Finding]) -> bool:
    """Whether a candidate with these findings, none of them a reason to reject it, is to be checked more strictly than others."""
    return any(not finding.forbidden and finding.rule in guard_policy().strict_rules for finding in findings)


def _forbidden(rule: str, message: str, line: int | None = None) -> Finding:
    return Finding(rule=rule, message=message, line=line, forbidden=True)
