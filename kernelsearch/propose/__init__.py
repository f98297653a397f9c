"""Proposers by name: `rules`, or a language model as `kernelsearch.llm` spells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelsearch.errors import UsageError
from kernelsearch.llm.pool import Pool
from kernelsearch.model.roles import ALONE, check
from kernelsearch.propose.allot import Allotment
from kernelsearch.propose.base import Proposer


def open_proposer(spec: str, *, options: Mapping[str, str], roles: Sequence[str] = ALONE) -> Proposer:
    """`rules` takes no options; a model takes `edit_format`, `repairs` and `prompt_tokens` beside those of `open_model`, and is asked in
    `roles`.

    Raises `UsageError`, `ToolMissing` without the model's SDK, `LlmMisconfigured` without its key.
    """
    check(roles)
    if spec == "rules":
        if tuple(roles) != ALONE:
            raise UsageError(f"the rules ask no model, so there is nobody to be {', '.join(set(roles) - set(ALONE))}; name one with --llm")
        if options:
            raise UsageError(f"the proposer `rules` takes no options; given: {', '.join(sorted(options))}")
        from kernelsearch.propose.rules import RulesProposer

        return RulesProposer()
    from kernelsearch.llm import open_model
    from kernelsearch.propose.limits import limits, of_the_model
    from kernelsearch.propose.model import ModelProposer
    from kernelsearch.propose.team import Team

    repairs = options.get("repairs", "2")
    if not repairs.isdigit():
        raise UsageError(f"option repairs = {repairs!r} is not a whole number of zero or more")
    edit_format = options.get("edit_format", "search-replace")
    model = open_model(spec, options=of_the_model(options))
    coder = ModelProposer(model=model, edit_format=edit_format, repairs=int(repairs), limits=limits(spec, options))
    return coder if tuple(roles) == ALONE else Team(coder, roles)


def allotment_of(proposer: Proposer) -> Allotment | None:
    """Who says which model of a pool is asked; None where there is no choice."""
    pool = getattr(proposer, "pool", None)
    return Allotment(pool.members, by_price=pool.by_price) if isinstance(pool, Pool) else None


def recorded(proposer: Proposer, path: Path) -> Proposer:
    """`proposer` with what its models answer kept in `path`; the rules ask nobody."""
    from kernelsearch.propose.model import ModelProposer
    from kernelsearch.propose.team import Team

    return proposer.recorded(path) if isinstance(proposer, ModelProposer | Team) else proposer
