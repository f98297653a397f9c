"""A number for the search, with every term that went into it. Pure: computed again from the record, it comes out the same.

A candidate that did not pass gets the value of its verdict's gate, so that failing late is worth more than failing early where a
profile says so. One that passed gets the sum of weight times raw over the profile's terms. Raws are logarithms to base 2, or shares,
of the candidate against the baseline: positive is better, and 0 is "as the baseline" or "not known", which the note tells. Only `sol`
and `speed_of_light` are positions between a standstill and the floor, so that the baseline itself has one.

Each raw is held to the range that its kind promises (`TERMS`), which is what makes the gates a ladder for every kernel there can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from kernelsearch.errors import UsageError
from kernelsearch.model import Evaluation, Reward, RewardProfile, Term
from kernelsearch.model.reward import TERMS
from kernelsearch.score import counters, guards, runtime
from kernelsearch.score.runtime import UNKNOWN, floors

__all__ = ["UNKNOWN", "floors", "score"]

_TERMS: Mapping[str, Callable[[Evaluation, Evaluation], tuple[float, str]]] = {
    "speedup": runtime.speedup,
    "sol": runtime.sol,
    "speed_of_light": runtime.speed_of_light,
    "regression": guards.regression,
    "energy": runtime.energy,
    "relief": counters.relief,
    "traffic": counters.traffic,
    "coalescing": counters.coalescing,
    "instructions": counters.instructions,
    "code_size": counters.code_size,
    "conflicts": counters.conflicts,
    "occupancy": counters.occupancy,
    "divergence": counters.divergence,
    "barrier": counters.barrier,
    "spills": guards.spills,
    "registers": guards.registers,
    "shared_memory": guards.shared_memory,
    "extra_traffic": guards.extra_traffic,
}


def score(evaluation: Evaluation, baseline: Evaluation, profile: RewardProfile) -> Reward:
    """The reward of `evaluation` against the `baseline`, which passed. Raises `UsageError` for a weight whose term does not exist."""
    if unknown := sorted(profile.weights.keys() - _TERMS.keys()):
        raise UsageError(f"reward profile {profile.name!r}: no term is called {unknown[0]!r}; known: {', '.join(_TERMS)}")
    if not evaluation.passed:
        gate = evaluation.verdict.value
        return Reward(value=profile.gates.get(gate, 0.0), gate=gate)
    terms = tuple(_term(name, weight, evaluation, baseline) for name, weight in profile.weights.items())
    return Reward(value=math.fsum(term.contribution for term in terms), terms=terms)


def _term(name: str, weight: float, evaluation: Evaluation, baseline: Evaluation) -> Term:
    found, note = _TERMS[name](evaluation, baseline)
    raw = max(TERMS[name].low, min(TERMS[name].high, found)) + 0.0  # no -0.0
    return Term(name=name, raw=raw, weight=weight, contribution=weight * raw, note=note)
