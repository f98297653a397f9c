"""Symbolic rewrites as a proposer: what is tried when no language model is configured.

`RULES` is the table; earlier rules tend to be tried first. A proposal's directive is a wish: its rewrites come first, and then all others,
so that a parent is exhausted only when nothing at all is left for it. Which rewrite is proposed depends on the arguments of `propose`
alone.
"""

from __future__ import annotations

import contextlib
import random

from kernelsearch.errors import NothingToPropose
from kernelsearch.model import Context, Directive, Hardware, Node, Origin, Proposal, Task
from kernelsearch.propose.base import Draft
from kernelsearch.propose.book import book
from kernelsearch.propose.rules.base import Program, Rewrite, Rule
from kernelsearch.propose.rules.block_size import BlockSize
from kernelsearch.propose.rules.coarsen import Coarsen
from kernelsearch.propose.rules.compiler_flags import CompilerFlags
from kernelsearch.propose.rules.float_arithmetic import FloatArithmetic
from kernelsearch.propose.rules.launch_bounds import LaunchBounds
from kernelsearch.propose.rules.pad_shared import PadShared
from kernelsearch.propose.rules.register_accumulator import RegisterAccumulator
from kernelsearch.propose.rules.register_tiles import RegisterTiles
from kernelsearch.propose.rules.restrict import Restrict
from kernelsearch.propose.rules.row_team import BLOCK, WARP, RowTeam
from kernelsearch.propose.rules.serial_partials import SerialPartials
from kernelsearch.propose.rules.swap_axes import SwapAxes
from kernelsearch.propose.rules.tile_matmul import TileMatmul
from kernelsearch.propose.rules.tile_transpose import TileTranspose
from kernelsearch.propose.rules.tree_reduction import TreeReduction
from kernelsearch.propose.rules.unroll import Unroll
from kernelsearch.propose.rules.vector_loads import VectorLoads
from kernelsearch.source import EditsOverlap, problems

RULES: tuple[Rule, ...] = (
    RowTeam(WARP),
    RowTeam(BLOCK),
    TileTranspose(),
    RegisterTiles(),
    TileMatmul(),
    VectorLoads(),
    Coarsen(),
    SerialPartials(),
    TreeReduction(),
    SwapAxes(),
    RegisterAccumulator(),
    PadShared(),
    FloatArithmetic(),
    Restrict(),
    BlockSize(),
    Unroll(),
    LaunchBounds(),
    CompilerFlags(),
)


class RulesProposer:
    """Proposes the rewrites of a node one after another: the first of every rule before the second of any, and rules that relieve the
    node's bottleneck one turn earlier than the others."""

    name = "rules"

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        self._rules = rules

    def propose(self, proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Draft:
        """One rewrite that no sibling has tried. Raises `NothingToPropose` when none is left."""
        candidate = context.parent.candidate
        if candidate is None:
            raise NothingToPropose(f"node {context.parent.number} has no source to rewrite")
        program = Program(source=candidate.source, flags=candidate.flags, task=task)
        tried = {_identity(node) for node in (context.parent, *context.lineage, *context.siblings)}
        ranked: list[tuple[bool, int, float, Rewrite]] = []
        chance, wish = random.Random(proposal.seed), _names(proposal.directive)
        for place, rule in enumerate(self._rules):
            handicap = 0 if _relevant(rule, context.parent) else 1
            for turn, rewrite in enumerate(rewrites(rule, program)):
                if (rewrite.source, rewrite.flags) not in tried:
                    other = not wish & {rule.name, rewrite.directive}
                    ranked.append((other, handicap + turn, chance.random() + place / len(self._rules), rewrite))
        if not ranked:
            raise NothingToPropose("every rewrite that the rules know for this source has been tried")
        best = min(ranked, key=lambda item: item[:3])[3]
        origin = Origin(proposer=self.name, directive=best.directive, summary=best.summary)
        return Draft(source=best.source, flags=best.flags, origin=origin)


def able(directive: Directive, context: Context, task: Task) -> bool:
    """Whether a rule that carries `directive` out has a rewrite of the parent that no sibling has tried."""
    candidate = context.parent.candidate
    if candidate is None:
        return False
    program = Program(source=candidate.source, flags=candidate.flags, task=task)
    tried = {_identity(node) for node in (*context.lineage, *context.siblings)}
    made = (rewrite for rule in RULES if rule.name in directive.rules for rewrite in rewrites(rule, program))
    return any((rewrite.source, rewrite.flags) not in tried for rewrite in made)


def rewrites(rule: Rule, program: Program) -> list[Rewrite]:
    """What `rule` makes of `program`: each different from it, and parsing no worse."""
    before = len(problems(program.source))
    made: list[Rewrite] = []
    with contextlib.suppress(EditsOverlap):  # a launch inside what is rewritten: the source is not what the rule took it for
        made.extend(rule.rewrites(program))
    return [r for r in made if (r.source, r.flags) != (program.source, program.flags) and len(problems(r.source)) <= before]


def _names(wish: str | None) -> set[str]:
    """The rules, or the one variant of a rule, that a wish means: a directive of the playbook, or what rules call themselves."""
    if wish is None:
        return set()
    directive = book().get(wish)
    return {wish} if directive is None or directive.name != wish else {wish, *directive.rules}


def _identity(node: Node) -> tuple[str, tuple[str, ...]] | None:
    return None if node.candidate is None else (node.candidate.source, node.candidate.flags)


def _relevant(rule: Rule, parent: Node) -> bool:
    profile = parent.evaluation.profile if parent.evaluation else None
    return profile is None or profile.bottleneck is None or profile.bottleneck.resource in rule.relieves


__all__ = ["RULES", "Program", "Rewrite", "Rule", "RulesProposer", "able", "rewrites"]
