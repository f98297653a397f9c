"""Source and flags looked at before anything is built: what the task does not allow, and what deserves a second look."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsearch.guard.policy import guard_policy
from kernelsearch.guard.scrub import Scrubbed, scrub
from kernelsearch.model import Candidate, Finding, Task

_INCLUDE = re.compile(r"^[ \t]*(?:#|%:)[ \t]*(?:include|include_next|import)\b[ \t]*(.*)$", re.MULTILINE)
_HEADER = re.compile(r'<([^<>"]+)>|"([^<>"]+)"')
_LIBRARY = re.compile(r"-l([\w+.-]+)")
_PER_RULE, _AT_MOST = 5, 50  # further ones tell nothing new


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
    scrubbed = scrub(candidate.source)
    findings += [*_includes(scrubbed, task), *_constructs(scrubbed, task)]
    return tuple(sorted(findings, key=lambda finding: (not finding.forbidden, finding.line or 0))[:_AT_MOST])


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
                yield _forbidden("compiler flag", _not_allowed(f"{flag} links a library", library[1]))
        else:
            yield _forbidden("compiler flag", f"{flag!r} is not among the flags allowed: {policy.flag_words}")


def _includes(scrubbed: Scrubbed, task: Task) -> Iterator[Finding]:
    """Headers by plain relative names only, and those of a library only where the task allows it."""
    for match in _INCLUDE.finditer(scrubbed.text):
        line = scrubbed.line(match.start(1))
        header = _HEADER.fullmatch(match[1].strip())
        name = (header[1] or header[2]).strip() if header else ""
        if not header:
            yield _forbidden("include", f"#include must name a header, not {match[1].strip()[:60] or 'nothing'}", line)
        elif name.startswith("/") or ".." in name.split("/"):
            yield _forbidden("include", f"#include of {name[:60]} leaves the compiler's folders", line)
        for library, pattern in guard_policy().libraries.items():
            if pattern.fullmatch(name) and library not in task.policy.libraries:
                yield _forbidden("library", _not_allowed(f"<{name}> belongs to {library}", library), line)


def _not_allowed(what: str, library: str) -> str:
    return f'{what}, which the task does not allow ([policy] libraries = ["{library}"] would)'


def _constructs(scrubbed: Scrubbed, task: Task) -> Iterator[Finding]:
    for rule in guard_policy().source:
        if rule.form not in (None, task.form):
            continue
        lines: set[int] = set()
        for match in rule.pattern.finditer(scrubbed.text if rule.in_strings else scrubbed.code):
            start = match.end() - len(match[0].lstrip())  # a pattern may begin with the line's indentation
            if len(lines) < _PER_RULE and (line := scrubbed.line(start)) not in lines:
                lines.add(line)
                yield Finding(rule=rule.rule, message=rule.message, line=line, forbidden=rule.forbidden)
