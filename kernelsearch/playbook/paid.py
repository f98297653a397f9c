"""Which directives paid: what the attempts of a run came to, by the directive that they carried out. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from kernelsearch.model import Node
from kernelsearch.playbook.book import Playbook
from kernelsearch.playbook.outcome import Worth, speedup, tried, worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """`name` is a directive's, or what an edit outside the playbook is called. `median` and `best`: speed-up over the parent, of attempts
    that passed; None when none did. `asked`: how often it was the wish of a proposal, `improved` counts gains beyond the least effect."""

    name: str
    asked: int
    tried: int
    passed: int
    improved: int
    bests: int
    median: float | None
    best: float | None


def paid(nodes: Sequence[Node], book: Playbook, *, effect: float) -> tuple[Paid, ...]:
    """One row a directive, those that improved most often first."""
    made: dict[str, list[Node]] = {}
    asked: dict[str, int] = {}
    for node in nodes:
        if not tried(node):
            continue
        wish = None if node.attempt.proposal is None else book.get(node.attempt.proposal.directive)
        if wish is not None:
            asked[wish.name] = asked.get(wish.name, 0) + 1
        made.setdefault(_name(node, book), []).append(node)
    rows = [_row(name, asked.get(name, 0), made.get(name, []), nodes, effect) for name in {**made, **asked}]
    return tuple(sorted(rows, key=lambda row: (-row.bests, -row.improved, -(row.median or 0.0), row.name)))


def _name(node: Node, book: Playbook) -> str:
    done = book.done(node)
    if done is not None:
        return done.name
    return node.candidate.origin.directive if node.candidate is not None else _wish(node) or "no edit"


def _wish(node: Node) -> str:
    return (node.attempt.proposal.directive or "") if node.attempt.proposal is not None else ""


def _row(name: str, asked: int, made: Sequence[Node], nodes: Sequence[Node], effect: float) -> Paid:
    worths = [worth(node, nodes[node.parent or 0], effect=effect) for node in made]
    ratios = [ratio for node in made if node.passed and (ratio := speedup(node, nodes[node.parent or 0])) is not None]
    return Paid(
        name=name,
        asked=asked,
        tried=len(made),
        passed=sum(node.passed for node in made),
        improved=sum(ratio > 1.0 + effect for ratio in ratios),
        bests=worths.count(Worth.BEST),
        median=statistics.median(ratios) if ratios else None,
        best=max(ratios, default=None),
    )
