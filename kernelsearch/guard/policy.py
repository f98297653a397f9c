"""What the guard looks for, as data: reads `sandbox/policy/guard.toml`, which explains itself."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kernelsearch import paths
from kernelsearch.model import DType, Finding, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRule:
    """Flags that match `pattern` as a whole are allowed; with `needs_fast_math` only where the task allows fast math."""

    pattern: re.Pattern[str]
    needs_fast_math: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something to look for. `where` is what `pattern` is held against, in the words of the file's table; `host` rules matter only
    where host code of the candidate runs; `unless` names what in a task makes the rule moot."""

    rule: str
    pattern: re.Pattern[str]
    message: str
    where: str
    host: bool
    forbidden: bool
    strict: bool
    unless: tuple[str, ...]

    def finding(self, line: int | None = None, more: str = "") -> Finding:
        return Finding(rule=self.rule, message=self.message + more, line=line, forbidden=self.forbidden)

    def moot(self, task: Task) -> bool:
        """Whether `task` allows what the rule looks for."""
        return not traits(task).isdisjoint(self.unless)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryPolicy:
    """What an honest binary holds. `imports` and `starters` are by what made the binary: "nvcc" or "emulated"."""

    runtime: re.Pattern[str]  # functions that the CUDA runtime brings along
    needed: re.Pattern[str]
    interposes: re.Pattern[str]
    device_code: re.Pattern[bytes]
    searched_bytes: int
    imports: Mapping[str, frozenset[str]]
    starters: Mapping[str, re.Pattern[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPolicy:
    """The file's tables. `flag_words` names the usual flags; `libraries` maps a library's name to a pattern of its headers.
    `load_flags` and `load_arguments` are what torch's load_inline may be given."""

    source_bytes: int
    flags: tuple[FlagRule, ...]
    flag_words: str
    ptxas: re.Pattern[str]
    libraries: Mapping[str, re.Pattern[str]]
    source: tuple[Rule, ...]
    python: tuple[Rule, ...]
    symbols: tuple[Rule, ...]
    sass: tuple[Rule, ...]
    load_flags: re.Pattern[str]
    load_arguments: frozenset[str]
    binary: BinaryPolicy
    strict_rules: frozenset[str]


@lru_cache(maxsize=1)
def guard_policy() -> GuardPolicy:
    """The policy that ships with this package."""
    data = tomllib.loads((paths.data("sandbox") / "policy" / "guard.toml").read_text())
    source, python, symbols, sass = (tuple(map(_rule, data[table])) for table in ("pattern", "python", "symbol", "sass"))
    return GuardPolicy(
        source_bytes=data["source_bytes"],
        flags=tuple(FlagRule(pattern=re.compile(row["pattern"]), needs_fast_math=row.get("needs") == "fast_math") for row in data["flag"]),
        flag_words=data["flag_words"],
        ptxas=re.compile(data["ptxas"]["pattern"]),
        libraries={name: re.compile(pattern) for name, pattern in data["libraries"].items()},
        source=source,
        python=python,
        symbols=symbols,
        sass=sass,
        load_flags=re.compile(data["load_inline"]["flags"]),
        load_arguments=frozenset(data["load_inline"]["arguments"]),
        binary=_binary(data["binary"]),
        strict_rules=frozenset([*(rule.rule for rule in (*source, *python, *symbols, *sass) if rule.strict), *data["strict_rules"]]),
    )


def traits(task: Task) -> frozenset[str]:
    """What of a task rules can depend on: the libraries it allows, "fast_math", "half" when an argument has 16 bits, "single" when a
    float argument is narrower than 64 bits."""
    floats = {arg.dtype for arg in task.args if arg.dtype.is_float}
    return frozenset(
        [
            *task.policy.libraries,
            *(["fast_math"] if task.policy.fast_math else []),
            *(["half"] if floats & {DType.F16, DType.BF16} else []),
            *(["single"] if floats != {DType.F64} else []),
        ]
    )


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        rule=row["rule"],
        pattern=re.compile(row["pattern"], re.MULTILINE),
        message=row["message"],
        where=row.get("in", ""),
        host=row.get("host", False),
        forbidden=row.get("forbidden", False),
        strict=row.get("strict", False),
        unless=tuple(row.get("unless", ())),
    )


def _binary(data: Mapping[str, Any]) -> BinaryPolicy:
    return BinaryPolicy(
        runtime=re.compile(data["runtime"]),
        needed=re.compile(data["needed"]),
        interposes=re.compile(data["interposes"]),
        device_code=re.compile(data["device_code"].encode(), re.DOTALL),
        searched_bytes=data["searched_bytes"],
        imports={maker: frozenset(text.split()) for maker, text in data["imports"].items()},
        starters={maker: re.compile(pattern) for maker, pattern in data["starters"].items()},
    )
