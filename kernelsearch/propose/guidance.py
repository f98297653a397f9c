"""What a prompt says of the one directive that was chosen, and of the others that fit: values in, values out.

One directive is shown whole and the others by a line each: a model that picks its strategy from a list does worse than one that is told
(KernelBand, arXiv 2511.18868, in its ablation).
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch import catalog
from kernelsearch.model import Context, Directive, Hardware, Proposal, Task
from kernelsearch.playbook import consider, retrieve, situation
from kernelsearch.propose.book import book

_ALTERNATIVES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """`directive` and why it fits; `alternatives` are others that do, the most promising first."""

    directive: Directive
    reason: str
    alternatives: tuple[Directive, ...] = ()


def guidance(proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> Guidance | None:
    """None where the proposal's directive is not of the playbook: then its words are all there is."""
    chosen, candidate = book().get(proposal.directive), context.parent.candidate
    if chosen is None or candidate is None:
        return None
    given = situation(candidate.source, context.parent.evaluation, task, hardware)
    saturated = catalog.bandit_settings().saturated
    reason = next(found.reason for found in consider(book(), given, saturated=saturated) if found.directive is chosen)
    others = [found.directive for found in retrieve(book(), given, saturated=saturated) if found.directive is not chosen]
    return Guidance(directive=chosen, reason=reason, alternatives=tuple(others[:_ALTERNATIVES]))
