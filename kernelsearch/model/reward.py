"""A number for the search, with every term that went into it: which terms there are, and what makes a set of weights a fair one.

The gates of a profile are a ladder. A kernel that failed later is worth no less than one that failed earlier, foul play is worth least
of all, and whatever passes is worth more than whatever does not. That last can be decided from the weights alone, since every term has
a least value.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.evaluation import Verdict

# From the lowest rung up, by how far a candidate came. Rejected, implausible and cheated are foul, however late they were found out.
LADDER = (
    (Verdict.REJECTED, Verdict.IMPLAUSIBLE, Verdict.CHEATED),
    (Verdict.BUILD_FAILED, Verdict.UNSUPPORTED),
    (Verdict.CRASHED, Verdict.TIMED_OUT),
    (Verdict.WRONG, Verdict.NONDETERMINISTIC),
    (Verdict.HAZARD,),
)
_STEP = 0.1  # between rungs that nobody gave a value
_LARGEST = 1e6  # of a weight: sums stay finite


@dataclass(frozen=True, slots=True, kw_only=True)
class TermKind:
    """What a term's raw figure tells, and the least and the largest that it can be. A guardrail's largest is 0."""

    low: float
    high: float
    tells: str


TERMS: Mapping[str, TermKind] = {
    "speedup": TermKind(low=-1.0, high=math.inf, tells="log2 of how many times as fast as the baseline; half as fast is the least"),
    "sol": TermKind(low=0.0, high=1.0, tells="1/(1+(t-floor)/(baseline-floor)): 0.5 is the baseline, 1 the speed of light"),
    "speed_of_light": TermKind(low=0.0, high=1.0, tells="floor / t: the share of the speed of light"),
    "regression": TermKind(low=-1.0, high=0.0, tells="guardrail: log2 of the slow-down in the worst case"),
    "energy": TermKind(low=-4.0, high=4.0, tells="log2 of how many times less energy a call takes"),
    "relief": TermKind(low=-4.0, high=4.0, tells="the figure below that belongs to the bottleneck named for the baseline"),
    "traffic": TermKind(low=-4.0, high=4.0, tells="log2 of how many times fewer bytes pass through DRAM"),
    "coalescing": TermKind(low=-4.0, high=4.0, tells="log2 of how many times fewer sectors global accesses touch"),
    "instructions": TermKind(low=-4.0, high=4.0, tells="log2 of how many times fewer instructions are executed"),
    "code_size": TermKind(low=-4.0, high=4.0, tells="log2 of how many times fewer instructions the binary has"),
    "conflicts": TermKind(low=-1.0, high=1.0, tells="share of shared-memory cycles no longer lost to bank conflicts"),
    "occupancy": TermKind(low=-1.0, high=1.0, tells="share of resident warps gained"),
    "divergence": TermKind(low=-1.0, high=1.0, tells="share of a warp's threads gained in the average instruction"),
    "barrier": TermKind(low=-1.0, high=1.0, tells="share of a warp's time no longer spent at barriers"),
    "spills": TermKind(low=-1.0, high=0.0, tells="guardrail: bytes a thread spills beyond the baseline's, in 256 bytes"),
    "registers": TermKind(low=-1.0, high=0.0, tells="guardrail: log2 of registers a thread beyond twice the baseline's"),
    "shared_memory": TermKind(low=-1.0, high=0.0, tells="guardrail: log2 of shared memory a block beyond twice the baseline's or 48 KiB"),
    "extra_traffic": TermKind(low=-1.0, high=0.0, tells="guardrail: log2 of DRAM bytes beyond 1.25 times the baseline's"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardProfile:
    """Weights by term, and the value of each closed gate by verdict name. Read from `profiles/rewards/`, or from a user's own file."""

    name: str
    weights: Mapping[str, float]
    gates: Mapping[str, float] = field(default_factory=dict)
    description: str = ""

    @property
    def least(self) -> float:
        """What the worst kernel that passes can come to."""
        return math.fsum(weight * TERMS[name].low for name, weight in self.weights.items())

    def fault(self) -> str | None:
        """The first thing that makes it no fair reward, with its place and a remedy; None when there is none."""
        if unknown := [name for name in self.weights if name not in TERMS]:
            return f"weights.{unknown[0]}: no such term; known are {', '.join(TERMS)}"
        for name, weight in self.weights.items():
            if not 0.0 <= weight <= _LARGEST:
                return f"weights.{name}: {weight:g} is no weight; give a number from 0 to {_LARGEST:g} (better is positive in every term)"
        if not any(self.weights.values()):
            return "weights: all are 0, so every kernel that passes would be worth the same; give one at least a positive weight"
        return self._fault_of_gates()

    def _fault_of_gates(self) -> str | None:
        known = [verdict.value for rung in LADDER for verdict in rung]
        if unknown := [name for name in self.gates if name not in known]:
            return f"gates.{_key(unknown[0])}: no verdict that closes a gate; known are {', '.join(known)}"
        if missing := [name for name in known if name not in self.gates]:
            return f"gates.{_key(missing[0])}: has no value; give every gate one, or leave out [gates] and they follow from the weights"
        if bad := [name for name in known if not math.isfinite(self.gates[name])]:
            return f"gates.{_key(bad[0])}: {self.gates[bad[0]]} is not a finite number"
        for earlier, later in itertools.pairwise(LADDER):
            top, bottom = (max(earlier, key=self._gate), min(later, key=self._gate))
            if self._gate(top) > self._gate(bottom):
                return (
                    f"gates.{_key(top.value)}: {self._gate(top):g} is more than the {self._gate(bottom):g} of {bottom.value!r}, "
                    f"which comes further; make it {self._gate(bottom):g} or less"
                )
        top = max((verdict for rung in LADDER for verdict in rung), key=self._gate)
        if self._gate(top) >= self.least:
            worst = f"the worst kernel that passes can come to {self.least:.4g} with these weights"
            return f"gates.{_key(top.value)}: {self._gate(top):g} is too much, as {worst}; give less, or leave out [gates]"
        return None

    def _gate(self, verdict: Verdict) -> float:
        return self.gates[verdict.value]


def ladder(weights: Mapping[str, float]) -> dict[str, float]:
    """Gates for weights that come without: each rung a step below the next, the highest a step below the worst kernel that passes."""
    least = math.fsum(weight * TERMS[name].low for name, weight in weights.items() if name in TERMS)
    return {verdict.value: least - _STEP * (len(LADDER) - place) for place, rung in enumerate(LADDER) for verdict in rung}


def _key(name: str) -> str:
    """As TOML wants it written."""
    return f'"{name}"' if " " in name else name


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
