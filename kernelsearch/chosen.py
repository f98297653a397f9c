"""What a run's specification names: its proposer, its strategy and its rewards, found before anything is opened or made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernelsearch import catalog
from kernelsearch.model import RewardProfile, RunSpec, Totals
from kernelsearch.propose import open_proposer
from kernelsearch.propose.base import Proposer
from kernelsearch.propose.book import check_chooser
from kernelsearch.strategy import AUTO, choose, open_strategy
from kernelsearch.strategy.base import Strategy
from kernelsearch.strategy.rooted import rooted


def check(spec: RunSpec) -> None:
    """Raise what `search.optimize` would for an unknown name, a key that is missing or options that do not fit, before anything is made."""
    check_chooser(spec.playbook)
    Tools.of(resolved(spec), Totals())


def resolved(spec: RunSpec) -> RunSpec:
    """With the name of a strategy where the choice was left to us, so that a resumed run goes on with the same one."""
    if spec.strategy != AUTO:
        return spec
    name, reason = choose(spec.budget, parallel=spec.parallel, proposer=spec.proposer)
    return replace(spec, strategy=name, strategy_reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a specification names."""

    proposer: Proposer
    strategy: Strategy
    rewards: RewardProfile

    @property
    def energy(self) -> bool:
        """Whether candidates are scored by energy, which is measured for that alone."""
        return bool(self.rewards.weights.get("energy"))

    @classmethod
    def of(cls, spec: RunSpec, spent: Totals, rewards: RewardProfile | None = None) -> Tools:
        """`rewards`: what the run began with, where that was recorded."""
        return cls(
            proposer=open_proposer(spec.proposer, options=_proposer_options(spec, spent), roles=spec.roles),
            strategy=rooted(open_strategy(spec.strategy, seed=spec.seed, options=spec.strategy_options), spec.thoughts, seed=spec.seed),
            rewards=rewards or catalog.reward_profile(spec.reward),
        )


def _proposer_options(spec: RunSpec, spent: Totals) -> Mapping[str, str]:
    """A resumed replay goes on behind the answers that were used up, and those that were skipped from the start."""
    if spec.proposer.startswith("replay:") and spent.usage.calls:
        before = spec.proposer_options.get("skip", "0")
        return {**spec.proposer_options, "skip": str(spent.usage.calls + (int(before) if before.isdigit() else 0))}
    return spec.proposer_options
