"""Which node to edit next. `open_strategy` is the table of short names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kernelsearch.errors import UsageError
from kernelsearch.strategy.base import Strategy
from kernelsearch.strategy.beam import Beam
from kernelsearch.strategy.best_of_n import BestOfN
from kernelsearch.strategy.evolve import Evolve
from kernelsearch.strategy.fsr import Fsr
from kernelsearch.strategy.greedy import Greedy
from kernelsearch.strategy.mcts import Mcts
from kernelsearch.strategy.priority import Priority

STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "mcts": Mcts,
    "priority": Priority,
    "beam": Beam,
    "fsr": Fsr,
    "evolve": Evolve,
    "greedy": Greedy,
    "best-of-n": BestOfN,
}


def open_strategy(name: str, *, seed: int, options: Mapping[str, float]) -> Strategy:
    """The strategy called `name`. Raises `UsageError` for an unknown name or option."""
    if name not in STRATEGIES:
        raise UsageError(f"unknown strategy {name!r}; one of {', '.join(STRATEGIES)}")
    try:
        return STRATEGIES[name](seed=seed, **options)
    except TypeError as error:
        raise UsageError(f"strategy {name!r}: {error}") from error
