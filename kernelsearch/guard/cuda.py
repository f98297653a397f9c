"""CUDA C++ as a candidate's source, or as a string in its Python: headers of libraries, and constructs by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsearch.guard.policy import guard_policy
from kernelsearch.guard.scrub import Scrubbed, scrub
from kernelsearch.model import Finding, Form, Task

_INCLUDE = re.compile(r"^[ \t]*(?:#|%:)[ \t]*(?:include|include_next|import)\b[ \t]*(.*)$", re.MULTILINE)
_HEADER = re.compile(r'<([^<>"]+)>|"([^<>"]+)"')
_PER_RULE = 5  # further ones tell nothing new


def scan(source: str, task: Task, given: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """What there is to say of `source`. `given` are libraries whose headers belong to the form itself."""
    scrubbed = scrub(source)
    yield from _includes(scrubbed, task, given)
    yield from _constructs(scrubbed, task)


def not_allowed(what: str, library: str) -> str:
    return f'{what}, which the task does not allow ([policy] libraries = ["{library}"] would)'


def _forbidden(rule: str, message: str, line: int) -> Finding:
    return Finding(rule=rule, message=message, line=line, forbidden=True)


def _includes(scrubbed: Scrubbed, task: Task, given: frozenset[str]) -> Iterator[Finding]:
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
            if pattern.fullmatch(name) and library not in (*task.policy.libraries, *given):
                yield _forbidden("library", not_allowed(f"<{name}> belongs to {library}", library), line)


def _constructs(scrubbed: Scrubbed, task: Task) -> Iterator[Finding]:
    for rule in guard_policy().source:
        if rule.moot(task) or (rule.host and task.form is Form.KERNELS):
            continue
        lines: set[int] = set()
        for match in rule.pattern.finditer(scrubbed.text if rule.where == "text" else scrubbed.code):
            start = match.end() - len(match[0].lstrip())  # a pattern may begin with the line's indentation
            if len(lines) < _PER_RULE and (line := scrubbed.line(start)) not in lines:
                lines.add(line)
                yield rule.finding(line)
