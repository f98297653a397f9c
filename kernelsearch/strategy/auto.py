"""Picks a strategy for a run from what is known before it begins, and says why.

What a budget favours was tried on tuning spaces; what models and many attempts at a time change follows from how the strategies work.
"""

from __future__ import annotations

from kernelsearch.model import Budget

_FEW, _MANY = 10, 400  # candidates
_SECONDS_EACH = 15.0  # of one attempt with rules on a GPU, for a budget in minutes
_USD_EACH = 0.05  # of one with a model
_CROWD = 16  # attempts at a time that one tree no longer keeps apart


def choose(budget: Budget, *, parallel: int, proposer: str) -> tuple[str, str]:
    """The name of a strategy and the reason for it, in a sentence."""
    candidates = _candidates(budget)
    told = "no limit of candidates" if candidates is None else f"about {candidates} candidates"
    if candidates is not None and candidates <= _FEW:
        return "greedy", f"{_FEW} candidates or fewer are too few to learn from: each one edits the best so far"
    if parallel >= _CROWD:
        return "evolve", f"{parallel} attempts at a time would crowd in one tree; populations on islands keep them apart"
    if candidates is None or candidates > _MANY:
        return "mcts", f"{told}: enough for a tree to come back to what was passed over at first"
    if proposer == "rules":
        return "priority", f"{told} with rules: the queue reaches most with few evaluations"
    return "mcts", f"{told} with a model: a tree lets an edit that costs time now be followed up"


def _candidates(budget: Budget) -> int | None:
    """How many the tightest limit allows, roughly; None without any limit."""
    limits = [
        budget.candidates,
        None if budget.minutes is None else int(budget.minutes * 60 / _SECONDS_EACH),
        None if budget.usd is None else int(budget.usd / _USD_EACH),
    ]
    known = [limit for limit in limits if limit is not None]
    return max(1, min(known)) if known else None
