"""A number for the search, with every term that went into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardProfile:
    """Weights by term, and the value of each closed gate by verdict name. Read from `profiles/rewards/`."""

    name: str
    weights: Mapping[str, float]
    gates: Mapping[str, float] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """`contribution` = `weight` x `raw`; `note` says where raw came from."""

    name: str
    raw: float
    weight: float
    contribution: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """The sum of the terms' contributions, or the value of the gate that closed."""

    value: float
    terms: tuple[Term, ...] = ()
    gate: str | None = None
