"""What a run cost: the time of its attempts by what they were doing, and calls, tokens and money by model and role. Pure.

Attempts may run side by side and wait for the GPU, so their times add up to more than the wall clock. A duplicate shares an evaluation
that was paid for once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from kernelsearch.model import Node, Outcome, Usage
from kernelsearch.report import words
from kernelsearch.report.timing import Row

MODEL, OTHER = "waiting for the model", "the rest: editing, waiting for a turn"
JUDGED = (Outcome.EVALUATED, Outcome.REPEATED)  # whose evaluation is their own
_STAGES = {
    "build": "compiling",
    "verify": "verifying",
    "measure": "timing",
    "confirm": "second trials",
    "profile": "profiling",
}
HEADS = ("calls", "tokens read", "from the cache", "tokens written", "waiting", "money")


def activities(nodes: Sequence[Node]) -> dict[str, float]:
    """Seconds by activity, in the order of an attempt; what took none is left out."""
    found: dict[str, float] = defaultdict(float)
    whole = 0.0
    for node in nodes:
        whole += node.attempt.seconds
        found[MODEL] += node.attempt.usage.seconds
        if node.attempt.outcome in JUDGED and node.evaluation is not None:
            for stage, seconds in node.evaluation.seconds.items():
                found[_STAGES.get(stage, stage)] += seconds
    found[OTHER] = max(0.0, whole - sum(found.values()))
    order = [MODEL, *_STAGES.values()]
    known = {name: found[name] for name in order if name in found}
    return {name: seconds for name, seconds in {**known, **found}.items() if seconds > 0}


def by_model(nodes: Sequence[Node]) -> tuple[Row, ...]:
    """A row a model that was asked, the dearest first."""
    found: dict[str, Usage] = defaultdict(Usage)
    for node in nodes:
        if node.attempt.usage.calls:
            found[_asked(node)] += node.attempt.usage
    return _rows(found.items())


def by_role(nodes: Sequence[Node]) -> tuple[Row, ...]:
    """A row a role; empty where the coder worked alone."""
    found: dict[str, Usage] = defaultdict(Usage)
    for node in nodes:
        for role, usage in node.attempt.team.usage.items():
            found[role] += usage
    return _rows(found.items()) if len(found) > 1 else ()


def _asked(node: Node) -> str:
    proposal, candidate = node.attempt.proposal, node.candidate
    named = "" if candidate is None else candidate.origin.model
    return named or ("" if proposal is None else proposal.model) or "not named"


def _rows(found: Iterable[tuple[str, Usage]]) -> tuple[Row, ...]:
    return tuple(
        Row(
            name,
            (
                f"{usage.calls:,}",
                f"{usage.input_tokens:,}",
                f"{usage.cached_tokens:,}",
                f"{usage.output_tokens:,}",
                words.duration(usage.seconds),
                words.money(usage.usd),
            ),
        )
        for name, usage in sorted(found, key=lambda entry: (-entry[1].usd, -entry[1].tokens, entry[0]))
    )
