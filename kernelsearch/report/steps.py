"""The way from the baseline to the best, step by step: why an edit was tried, and what the profiler saw of it. Pure.

A reason is what was known before the edit: the limit of the kernel it began from, what the strategy asked for, a plan, a prediction.
Evidence is what was counted after it, against the step before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kernelsearch.model import Node, Profile
from kernelsearch.report import words
from kernelsearch.report.node import NodeView
from kernelsearch.report.timing import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`gain` is how many times as fast as the step before; `counters` are the profiler's own, before and after."""

    node: NodeView
    reasons: tuple[Row, ...]
    moved: tuple[str, ...]
    gain: str
    counters: tuple[Row, ...]


def steps(way: Sequence[Node], views: Sequence[NodeView]) -> tuple[Step, ...]:
    """One for each edit on `way`, which begins with the baseline."""
    return tuple(_step(node, parent, way[0], views) for parent, node in pairwise(way))


def _step(node: Node, parent: Node, baseline: Node, views: Sequence[NodeView]) -> Step:
    before, after = _profile(parent), _profile(node)
    return Step(
        node=views[node.number],
        reasons=_reasons(node, parent),
        moved=tuple(words.changes(before, after)) if before is not None and after is not None else (),
        gain=words.ratio(_gain(node, parent, baseline)),
        counters=_counters(before, after),
    )


def _gain(node: Node, parent: Node, baseline: Node) -> float | None:
    """The quotient of two speed-ups, each of which may be from pairs with the baseline."""
    own, before = words.speedup(node, baseline), words.speedup(parent, baseline)
    return None if own is None or not before else own / before


def _profile(node: Node) -> Profile | None:
    return None if node.evaluation is None else node.evaluation.profile


def _reasons(node: Node, parent: Node) -> tuple[Row, ...]:
    proposal, work = node.attempt.proposal, node.attempt.team
    limit = "" if parent.evaluation is None else words.bottleneck(parent.evaluation)
    told = work.prediction
    found = (
        ("held back by", limit),
        ("asked for", "" if proposal is None else proposal.directive or ""),
        ("the strategy's words", "" if proposal is None else words.first_line(proposal.note, 400)),
        (
            "plan",
            "" if work.plan is None else f"{work.plan.method}, against {work.plan.bottleneck}: {words.first_line(work.plan.plan, 400)}",
        ),
        ("predicted", "" if told is None else f"{told.speedup:.2f}x, {told.risk:.0%} to fail; {told.reason}".removesuffix("; ")),
        ("repaired", "; ".join(f"{each.verdict.value}: {words.first_line(each.detail)}" for each in work.mended)),
    )
    return tuple(Row(name, (text,)) for name, text in found if text)


def _counters(before: Profile | None, after: Profile | None) -> tuple[Row, ...]:
    if before is None or after is None:
        return ()
    return tuple(
        Row(name, (words.quantity(before.metrics[name].value, before.metrics[name].unit), words.quantity(metric.value, metric.unit)))
        for name, metric in after.metrics.items()
        if name in before.metrics and before.metrics[name].value != metric.value
    )
