"""Options that several commands share, and the run specification they add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kernelsearch.errors import UsageError
from kernelsearch.model import Budget, RunSpec
from kernelsearch.model import roles as parts
from kernelsearch.model.run import LOCAL, SPOOL
from kernelsearch.strategy import SUMMARIES

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_STRATEGIES = "; ".join(f"{name}: {summary}" for name, summary in SUMMARIES.items()) + "."
_ROLES = "; ".join(f"{name}: {summary}" for name, summary in parts.SUMMARIES.items()) + "."
DEFAULT_BUDGET = Budget(candidates=40, minutes=10.0)

WORKER = click.option(
    "--worker",
    metavar="WHERE",
    help="Where candidates are judged: local; gpus, or gpus:0,1, side by side on GPUs of this machine; ray, or ray:ADDRESS, on those of a "
    "cluster; or spool:DIR, a folder that `kernelsearch worker DIR` serves elsewhere.  [default: local]",
)
CONFIRM = click.option("--confirm", is_flag=True, help="Show each candidate, and ask before it is built or run. Needs a terminal.")
LAB = (
    click.option(
        "--device",
        default="auto",
        show_default=True,
        help="auto, cuda, pycuda, emulated or host; cuda:1 is the second GPU. auto: a GPU, else emulated, or host for PyTorch.",
    ),
    click.option("--hardware", default="", help="Hardware profile to model, or to hold the GPU against, such as h100."),
    click.option("--metrics", default="quick", show_default=True, help="Counters to collect for each candidate; none for no profile."),
    click.option("--secret", default="", help="Contents of inputs follow from it; drawn anew unless a run is to be repeated exactly."),
    click.option("--unsafe", is_flag=True, help="Where no sandbox works, run candidates without one. Only for kernels that you trust."),
)
SEARCH = (
    click.option(
        "--llm", default="rules", show_default=True, help="rules, PROVIDER:MODEL (anthropic, openai, replay, mailbox), or pool:A*2,B."
    ),
    click.option("--base-url", default="", help="Endpoint of an OpenAI-compatible server, with --llm openai:MODEL."),
    click.option("--llm-option", multiple=True, metavar="NAME=VALUE", help="For the model: effort, max_tokens, prompt_tokens, record …"),
    click.option("--roles", default="coder", show_default=True, help=f"What a model is asked as, with commas. {_ROLES}"),
    click.option("--seed", default=0, show_default=True, help="Seed of strategy and proposer."),
    click.option("--strategy", default="mcts", show_default=True, help=_STRATEGIES),
    click.option("--strategy-option", multiple=True, metavar="NAME=NUMBER", help="Passed to the strategy: c, width, candidates …"),
    click.option("--playbook", default="bandit", show_default=True, help="bandit: one directive an attempt, by what paid; or none."),
    click.option("--reward", default="default", show_default=True, help="Reward profile by name, or the path of a .toml file of yours."),
    click.option(
        "--parallel", default=1, show_default=True, type=click.IntRange(min=1), help="Attempts at a time, for each GPU; 1 is reproducible."
    ),
    WORKER,
)
BUDGET = (
    click.option("--budget", type=click.IntRange(min=0), help="Candidates to try.  [default: 40, unless another limit is given]"),
    click.option("--minutes", type=click.FloatRange(min=0), help="Wall clock.  [default: 10, unless another limit is given]"),
    click.option("--usd", type=click.FloatRange(min=0), help="Money for models."),
    click.option("--tokens", type=click.IntRange(min=0), help="Tokens that models may read and write."),
)


def together(*groups: tuple[Decorator, ...]) -> Decorator:
    """One decorator for several groups of options, in their order in the help."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What LAB, SEARCH and BUDGET give, under the names of the options."""

    device: str
    hardware: str
    metrics: str
    secret: str = ""
    seed: int
    unsafe: bool
    llm: str
    base_url: str
    llm_option: tuple[str, ...]
    strategy: str
    strategy_option: tuple[str, ...] = ()
    playbook: str = "bandit"
    reward: str
    parallel: int
    budget: int | None
    minutes: float | None
    usd: float | None
    worker: str | None = None
    tokens: int | None = None
    roles: str = parts.CODER

    def spec(self, name: str, task_digest: str) -> RunSpec:
        """The run specification for one task."""
        return RunSpec(
            task=task_digest,
            task_name=name,
            device=self.device,
            hardware=self.hardware,
            strategy=self.strategy,
            strategy_options=self._strategy_options(),
            proposer=self.llm,
            proposer_options=named_options(self.llm_option, self.base_url),
            roles=parts.chosen(self.roles),
            playbook=self.playbook,
            reward=self.reward,
            metrics=self.metrics,
            budget=limits(self.budget, self.minutes, self.usd, self.tokens) or DEFAULT_BUDGET,
            parallel=self.parallel,
            worker=where(self.worker) or LOCAL,
            seed=self.seed,
            secret=self.secret,
            unsafe=self.unsafe,
        )

    def _strategy_options(self) -> dict[str, float]:
        options = {}
        for name, value in _pairs("--strategy-option", self.strategy_option):
            try:
                options[name] = float(value)
            except ValueError as error:
                raise UsageError(f"--strategy-option {name}={value}: write a number") from error
        return options


def named_options(given: tuple[str, ...], base_url: str) -> dict[str, str]:
    """What --llm-option and --base-url say. Raises `UsageError` for what is no NAME=VALUE."""
    options = {"base_url": base_url} if base_url else {}
    return {**options, **dict(_pairs("--llm-option", given))}


def _pairs(name: str, given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for option in given:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise UsageError(f"{name} {option!r}: write NAME=VALUE")
        yield key, value


def where(worker: str | None) -> str:
    """`worker` as a run keeps it, wherever it is resumed from; empty when none was named."""
    if worker is None or not worker.startswith(SPOOL) or worker == SPOOL:
        return worker or ""
    return f"{SPOOL}{Path(worker.removeprefix(SPOOL)).resolve()}"


def limits(budget: int | None, minutes: float | None, usd: float | None, tokens: int | None = None) -> Budget | None:
    """The budget that was asked for, None when none was."""
    if budget is None and minutes is None and usd is None and tokens is None:
        return None
    return Budget(candidates=budget, minutes=minutes, usd=usd, tokens=tokens)


def price_notes(spec: RunSpec) -> list[str]:
    """What is to be said of a limit in money that cannot be kept."""
    from kernelsearch.propose.forecast import unpriced

    if spec.budget.usd is None:
        return []
    names = unpriced(spec.proposer, spec.proposer_options)
    end = "so --usd ends this run only where the server sends its own bill; add the model to profiles/models/, or set --tokens"
    return [f"warning: no price is known for {name}, {end}" for name in names]
