"""Which directives fit a kernel, by its diagnosis: each with the reason for or against it.

A directive is left out when it does not relieve the bottleneck, when a unit that it needs has no headroom left (KernelBand,
arXiv 2511.18868, masks from 75 % on), when the hardware is too old for it, or when its own conditions say so. What is not known
excludes nothing. Those that fit are ranked by how directly they relieve the bottleneck, by whether their conditions are known to hold,
and by the gain that is typical of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.model import Condition, Directive
from kernelsearch.playbook.book import Playbook
from kernelsearch.playbook.situation import Situation

_FIRST, _KNOWN = 0.25, 0.25  # added to a directive's own gain: for its foremost relief, and for a condition that is known to hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A directive held against a kernel. `promise` is in 0..1, of those that fit: what is expected of it before anything was tried."""

    directive: Directive
    fits: bool
    reason: str
    promise: float = 0.0


def retrieve(book: Playbook, given: Situation, *, saturated: float) -> tuple[Found, ...]:
    """The directives that fit, the most promising first; of equals the earlier in the book."""
    fitting = (found for found in consider(book, given, saturated=saturated) if found.fits)
    return tuple(sorted(fitting, key=lambda found: -found.promise))


def consider(book: Playbook, given: Situation, *, saturated: float) -> tuple[Found, ...]:
    """Every directive of the book, in its order. `saturated`: percent of its ceiling from which a unit has no headroom."""
    return tuple(_held_against(directive, given, saturated) for directive in book)


def _held_against(directive: Directive, given: Situation, saturated: float) -> Found:
    against = _against(directive, given, saturated)
    if against:
        return Found(directive=directive, fits=False, reason=against)
    limit = given.resource
    first = limit is not None and directive.relieves[0] is limit
    holds = None if directive.when is None else directive.when.holds(given.values)
    words = ["no bottleneck is known" if limit is None else f"relieves {limit.value}{', above all' if first else ''}"]
    if directive.when is not None:
        words.append(_because(directive.when, given) if holds else f"not known whether {directive.when}")
    promise = directive.gain.value + _FIRST * (first or limit is None) + _KNOWN * bool(holds)
    return Found(directive=directive, fits=True, reason="; ".join(words), promise=promise / (0.75 + _FIRST + _KNOWN))


def _against(directive: Directive, given: Situation, saturated: float) -> str:
    """Why a directive does not fit; empty when it does."""
    if 0 < given.arch < directive.arch:
        return f"needs sm_{directive.arch}, and this is sm_{given.arch}"
    limit = given.resource
    if limit is not None and limit not in directive.relieves:
        return f"does not relieve {limit.value}"
    for resource in directive.uses:
        if given.shares.get(resource, 0.0) >= saturated:
            return f"{resource.value} is at {given.shares[resource]:.0f} % of its ceiling, and it needs headroom there"
    if directive.when is not None and directive.when.holds(given.values) is False:
        return f"does not hold: {_because(directive.when, given)}"
    if directive.not_when is not None and directive.not_when.holds(given.values):
        return f"speaks against it: {_because(directive.not_when, given)}"
    return ""


def _because(condition: Condition, given: Situation) -> str:
    figures = ", ".join(f"{name} = {given.values[name]:.4g}" for name in condition.names if name in given.values)
    return f"{condition}{f' ({figures})' if figures else ''}"
