"""What the guard looks for, as data: reads `sandbox/policy/guard.toml`, which explains itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kernelsearch import paths
from kernelsearch.model import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRule:
    """Flags that match `pattern` as a whole are allowed; with `needs_fast_math` only where the task allows fast math."""

    pattern: re.Pattern[str]
    needs_fast_math: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRule:
    """A construct to look for: with strings emptied unless `in_strings`, and in one form only unless `form` is None."""

    rule: str
    pattern: re.Pattern[str]
    in_strings: bool
    forbidden: bool
    form: Form | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """The file's tables. `flag_words` names the usual flags; `libraries` maps a library's name to a pattern of its headers."""

    source_bytes: int
    flags: tuple[FlagRule, ...]
    flag_words: str
    ptxas: re.Pattern[str]
    libraries: Mapping[str, re.Pattern[str]]
    source: tuple[SourceRule, ...]


@lru_cache(maxsize=1)
def guard_policy() -> GuardPolicy:
    """The policy that ships with this package."""
    data = tomllib.loads((paths.data("sandbox") / "policy" / "guard.toml").read_text())
    return GuardPolicy(
        source_bytes=data["source_bytes"],
        flags=tuple(FlagRule(pattern=re.compile(row["pattern"]), needs_fast_math=row.get("needs") == "fast_math") for row in data["flag"]),
        flag_words=data["flag_words"],
        ptxas=re.compile(data["ptxas"]["pattern"]),
        libraries={name: re.compile(pattern) for name, pattern in data["libraries"].items()},
        source=tuple(map(_source_rule, data["pattern"])),
    )


def _source_rule(row: Mapping[str, Any]) -> SourceRule:
    return SourceRule(
        rule=row["rule"],
        pattern=re.compile(row["pattern"], re.MULTILINE),
        in_strings={"code": False, "text": True}[row["in"]],
        forbidden=row.get("forbidden", False),
        form=Form(row["form"]) if "form" in row else None,
        message=row["message"],
    )
