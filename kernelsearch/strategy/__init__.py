"""Which node to edit next. `open_strategy` is the table of short names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature

from kernelsearch.errors import UsageError
from kernelsearch.strategy.auto import choose
from kernelsearch.strategy.base import Strategy
from kernelsearch.strategy.beam import Beam
from kernelsearch.strategy.best_first import BestFirst
from kernelsearch.strategy.best_of_n import BestOfN
from kernelsearch.strategy.evolve import Evolve
from kernelsearch.strategy.forest import Forest
from kernelsearch.strategy.fsr import Fsr
from kernelsearch.strategy.greedy import Greedy
from kernelsearch.strategy.mcts import Mcts
from kernelsearch.strategy.priority import Priority

AUTO = "auto"
STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "mcts": Mcts,
    "priority": Priority,
    "beam": Beam,
    "best-first": BestFirst,
    "evolve": Evolve,
    "forest": Forest,
    "fsr": Fsr,
    "greedy": Greedy,
    "best-of-n": BestOfN,
}
SUMMARIES = {
    "mcts": "a tree of edits; a step that costs time may still be followed up",
    "priority": "a queue on mean rewards; what cannot be told apart is tried again",
    "beam": "the best few kernels, each edited several times, level by level",
    "best-first": "the kernel nearest to the best, long chains given credit",
    "evolve": "populations on islands; crossover of two kernels",
    "forest": "several trees in distinct directions that share what they learn",
    "fsr": "rounds of edits of the fastest, told what failed before",
    "greedy": "edits the best so far",
    "best-of-n": "edits the baseline only: the yardstick",
    AUTO: "picks by budget and says why",
}


def open_strategy(name: str, *, seed: int, options: Mapping[str, float]) -> Strategy:
    """The strategy called `name`. Raises `UsageError` for an unknown name or option."""
    if name not in STRATEGIES:
        raise UsageError(f"unknown strategy {name!r}; one of {', '.join((*STRATEGIES, AUTO))}")
    known = options_of(STRATEGIES[name])
    for option in options:
        if option not in known:
            raise UsageError(f"strategy {name!r} has no option {option!r}; it has {', '.join(known) or 'none'}")
    return STRATEGIES[name](seed=seed, **options)


def options_of(make: Callable[..., Strategy]) -> list[str]:
    """What a strategy can be told beside its seed; further options it lists in `LIMITS`."""
    named = [name for name, parameter in signature(make).parameters.items() if parameter.kind is not Parameter.VAR_KEYWORD]
    return [name for name in (*named, *getattr(make, "LIMITS", ())) if name != "seed"]


__all__ = ["AUTO", "STRATEGIES", "SUMMARIES", "Strategy", "choose", "open_strategy"]
