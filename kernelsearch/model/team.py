"""What roles beside the coder brought to an attempt: a plan, a prediction, repairs, lessons; and what each role took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.candidate import Usage
from kernelsearch.model.evaluation import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One limit, one method against it, and how to carry it out. All three are said."""

    bottleneck: str
    method: str
    plan: str

    def __post_init__(self) -> None:
        for name, text in (("bottleneck", self.bottleneck), ("method", self.method), ("plan", self.plan)):
            if not text.strip():
                raise ValueError(f"{name} is empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Made before the edit was judged. `speedup` over the parent if it passes; `risk` is the probability that it does not."""

    speedup: float
    risk: float
    reason: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.speedup) and 0 < self.speedup <= 1000):
            raise ValueError(f"speedup {self.speedup} is no factor above 0 and up to 1000")
        if not 0 <= self.risk <= 1:
            raise ValueError(f"risk {self.risk} is no probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A candidate of the same attempt that failed and was repaired: its digest, and the first of what was said of it."""

    candidate: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Teamwork:
    """Empty for an attempt by the coder alone. `usage` by role adds up to the attempt's; `notes` say where a role was done
    without, or was told less than there was."""

    usage: Mapping[str, Usage] = field(default_factory=dict)
    plan: Plan | None = None
    prediction: Prediction | None = None
    mended: tuple[Mended, ...] = ()  # what failed on the way to the candidate, in order
    lessons: tuple[str, ...] = ()  # of the run so far, in the summariser's words; they take the place of those before
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Usage:
        """What all roles took together."""
        return sum(self.usage.values(), Usage())

    def __add__(self, later: Teamwork) -> Teamwork:
        roles = dict.fromkeys((*self.usage, *later.usage))
        return Teamwork(
            usage={role: self.usage.get(role, Usage()) + later.usage.get(role, Usage()) for role in roles},
            plan=later.plan or self.plan,
            prediction=later.prediction or self.prediction,
            mended=(*self.mended, *later.mended),
            lessons=later.lessons or self.lessons,
            notes=(*self.notes, *later.notes),
        )
