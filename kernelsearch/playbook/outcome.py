"""What an attempt came to, seen from the kernel that it edited. Pure."""

from __future__ import annotations

import enum

from kernelsearch.model import Measurement, Node, Outcome

_SILENT = (Outcome.EXHAUSTED, Outcome.LLM_FAILED, Outcome.REPEATED)  # no edit was tried


class Worth(enum.Enum):
    """The classes that Balans tells outcomes apart by (arXiv 2412.14382)."""

    BEST = "best"  # shown to be faster than the best of the run
    BETTER = "better"  # faster than its parent
    ACCEPT = "accept"  # right, and no faster
    REJECT = "reject"  # not right, or no new kernel at all


def tried(node: Node) -> bool:
    """Whether the attempt says anything of an edit."""
    return node.attempt.proposal is not None and node.attempt.outcome not in _SILENT


def worth(node: Node, parent: Node, *, effect: float) -> Worth:
    """`effect`: the least gain over the parent that counts, as a share."""
    if not node.passed or node.attempt.outcome is not Outcome.EVALUATED or node.evaluation is None:
        return Worth.REJECT
    if node.evaluation.confirmation is not None and node.evaluation.confirmation.held:
        return Worth.BEST
    ratio = speedup(node, parent)
    return Worth.BETTER if ratio is not None and ratio > 1.0 + effect else Worth.ACCEPT


def speedup(node: Node, parent: Node) -> float | None:
    """How many times as fast as its parent, by what both showed against the same baseline, else by their times; None when not known."""
    ours, theirs = _measured(node), _measured(parent)
    if ours is None or theirs is None or ours.kind is not theirs.kind:
        return None
    if ours.speedup is not None and theirs.speedup is not None:
        return ours.speedup / theirs.speedup
    return theirs.time_us / ours.time_us


def _measured(node: Node) -> Measurement | None:
    return node.evaluation.measurement if node.passed and node.evaluation is not None else None
