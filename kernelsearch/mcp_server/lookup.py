"""The playbook as an agent is told it."""

from __future__ import annotations

from kernelsearch import catalog
from kernelsearch.errors import UsageError
from kernelsearch.mcp_server.told import Found, Way
from kernelsearch.model import Directive
from kernelsearch.playbook import Situation, consider, retrieve
from kernelsearch.propose.book import book


def everything() -> Found:
    """All directives, in the order of the book."""
    return _found(tuple(_way(directive) for directive in book()))


def one(name: str) -> Found:
    """A directive in full."""
    directive = book().get(name)
    if directive is None:
        raise UsageError(f"no directive is called {name!r}; there are {', '.join(each.name for each in book())}")
    conditions = [str(directive.when or ""), f"not when {directive.not_when}" if directive.not_when else ""]
    conditions += [f"from sm_{directive.arch}" if directive.arch else ""]
    conditions += [f"needs headroom in {', '.join(each.value for each in directive.uses)}" if directive.uses else ""]
    found = _found((_way(directive),))
    return Found(
        bottleneck=found.bottleneck,
        evidence=found.evidence,
        profiled=found.profiled,
        ways=found.ways,
        unfit=found.unfit,
        example=directive.example,
        when="; ".join(filter(None, conditions)),
        mind=directive.risks,
    )


def fitting(given: Situation, *, profiled: bool) -> Found:
    """What fits a kernel."""
    saturated = catalog.bandit_settings().saturated
    ways = tuple(_way(found.directive, found.reason, round(found.promise, 3)) for found in retrieve(book(), given, saturated=saturated))
    unfit = {found.directive.name: found.reason for found in consider(book(), given, saturated=saturated) if not found.fits}
    return _found(ways, unfit, given, profiled)


def _way(directive: Directive, reason: str = "", promise: float | None = None) -> Way:
    return Way(
        name=directive.name,
        title=directive.title,
        does=directive.does,
        relieves=tuple(resource.value for resource in directive.relieves),
        reason=reason,
        promise=promise,
    )


def _found(ways: tuple[Way, ...], unfit: dict[str, str] | None = None, given: Situation | None = None, profiled: bool = False) -> Found:
    limit = None if given is None else given.bottleneck
    return Found(
        bottleneck=None if limit is None else limit.resource.value,
        evidence="" if limit is None else limit.evidence,
        profiled=profiled,
        ways=ways,
        unfit=unfit or {},
        example="",
        when="",
        mind="",
    )
