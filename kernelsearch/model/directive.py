"""A directive of the playbook: one way to make a kernel faster, told as data, and the settings of who chooses among directives."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.condition import Condition
from kernelsearch.model.profile import Resource


class Kind(enum.Enum):
    """What a directive changes in the first place."""

    ACCESS = "memory access"
    REUSE = "data reuse"
    LATENCY = "latency"
    PARALLELISM = "parallelism"
    COMPUTE = "compute"
    PRECISION = "precision"
    SYNCHRONISATION = "synchronisation"
    LAUNCH = "launch"


class Gain(enum.Enum):
    """What a directive typically brings where it applies; the value is how promising it counts before anything was tried."""

    LARGE = 0.75  # twice as fast and more is common
    MODERATE = 0.5  # some ten percent up to twice
    SMALL = 0.25  # a few percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """`relieves`: limits that it eases, the foremost first. `uses`: units that it can only help while they have headroom. `when` and
    `not_when` say where it applies; what is unknown excludes nothing. `arch`: least compute capability, 80 for sm_80; 0 for any.
    `rules`: symbolic rules that carry it out."""

    name: str
    title: str
    kind: Kind
    gain: Gain
    does: str
    relieves: tuple[Resource, ...]
    uses: tuple[Resource, ...] = ()
    when: Condition | None = None
    not_when: Condition | None = None
    example: str
    risks: str
    arch: int = 0
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditSettings:
    """How directives are chosen by what they brought. `classes` are the rewards of an outcome, in 0..1; `sources` says whence a figure."""

    exploration: float  # c of UCB1
    own: float  # promise of leaving the choice to a proposer that has an order of its own
    prior: float  # how many tries the expectation of a directive counts for
    window: int  # an arm whose last so many tries brought nothing is worn out
    saturated: float  # percent of its ceiling from which a unit has no headroom
    effect: float  # least gain over the parent that counts, as a share
    tie: float  # indices this near each other count as equal
    classes: Mapping[str, float]
    sources: Mapping[str, str] = field(default_factory=dict)
