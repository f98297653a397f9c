"""What a rule is: a function from a program to rewritten programs, with a name and the limits it relieves.

A rule keeps the meaning where that can be decided from the syntax, and otherwise proposes only what is likely to keep it: every
rewrite is verified before it counts. A rule changes no comment (launch plans apart) and no string.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kernelsearch.model import Resource, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is rewritten. Only `task.policy` and the dtypes of `task.args` are looked at."""

    source: str
    flags: tuple[str, ...]
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A rewritten program. `directive` names rule and variant, "block-size-128"; `summary` is one line for people."""

    source: str
    flags: tuple[str, ...]
    directive: str
    summary: str


class Rule(Protocol):
    """Stateless. Yields in order of expected use; may yield nothing."""

    @property
    def name(self) -> str: ...

    @property
    def relieves(self) -> tuple[Resource, ...]: ...

    def rewrites(self, program: Program) -> Iterator[Rewrite]: ...
