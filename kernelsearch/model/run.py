"""One search: what was chosen before it began, what each attempt asked and gave, and what has been spent."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch.model.candidate import Candidate, Usage
from kernelsearch.model.evaluation import Evaluation
from kernelsearch.model.reward import Reward
from kernelsearch.model.roles import ALONE
from kernelsearch.model.team import Plan, Teamwork

LOCAL = "local"  # of `RunSpec.worker`: this process
SPOOL = "spool:"  # before the path of a folder
GPUS = "gpus"  # of this machine: all, or those whose numbers follow a colon
RAY = "ray"  # a cluster: one of our own on this machine, or that whose address follows a colon
NO_TICKET = -1  # of an attempt that no strategy asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of a run; None is no limit. The first to be reached ends it."""

    candidates: int | None = None
    minutes: float | None = None
    usd: float | None = None
    tokens: int | None = None  # read and written by models, cached ones included

    def spent(self, totals: Totals, pending: int = 0, expected: Usage | None = None) -> str | None:
        """Which limit is reached when `pending` more attempts are under way, in words; None when none is.

        For each of those, and for the one that is to begin, as much is kept back as the dearest attempt so far took, or as `expected`
        before there is one: money and tokens that are spent cannot be had back.
        """
        if self.candidates is not None and totals.candidates + pending >= self.candidates:
            return f"{self.candidates} candidate{'' if self.candidates == 1 else 's'}"
        if self.minutes is not None and totals.seconds >= self.minutes * 60:
            return f"{self.minutes:g} minutes"
        dearest = totals.dearest if totals.dearest.calls or expected is None else expected
        if self.usd is not None and _full(totals.usage.usd, dearest.usd, pending, self.usd):
            return f"{self.usd:g} USD{_kept(totals.usage.usd, pending, self.usd, f'{dearest.usd:.2g} USD')}"
        if self.tokens is not None and _full(totals.usage.tokens, dearest.tokens, pending, self.tokens):
            return f"{self.tokens:,} tokens{_kept(totals.usage.tokens, pending, self.tokens, f'{dearest.tokens:,} tokens')}"
        return None


def _full(spent: float, each: float, pending: int, limit: float) -> bool:
    """Whether one more attempt would not fit beside those under way. A rounding of sums is no reason to stop."""
    return spent >= limit or spent + (pending + 1) * each > limit * (1 + 1e-9)


def _kept(spent: float, pending: int, limit: float, each: str) -> str:
    """Why a limit counts as reached before it is."""
    if spent >= limit:
        return ""
    under_way = f" besides the {pending} under way" if pending else ""
    return f", of which what is left does not pay for another attempt{under_way}, at up to {each} each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a run has used so far. `candidates` counts recorded attempts other than the baseline, usable or not, that a budget counts;
    those that its owner added are `by_hand`."""

    candidates: int = 0
    by_hand: int = 0
    seconds: float = 0.0  # wall clock, earlier sessions of a resumed run included
    usage: Usage = Usage()
    dearest: Usage = Usage()  # the most money and the most tokens that one attempt took

    def with_attempt(self, usage: Usage, *, counts: bool, at_seconds: float, by_hand: bool = False) -> Totals:
        """After one more recorded attempt."""
        most = self.dearest
        return Totals(
            candidates=self.candidates + counts,
            by_hand=self.by_hand + by_hand,
            seconds=max(self.seconds, at_seconds),
            usage=self.usage + usage,
            dearest=Usage(input_tokens=max(most.tokens, usage.tokens), usd=max(most.usd, usage.usd), calls=max(most.calls, usage.calls)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """One way to implement a task, before anybody has written it: a short name, and the plan in lines."""

    title: str
    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything chosen before a run starts. Two runs with equal specs on the emulated device give equal journals
    (times of day apart) when `parallel` is 1 and the proposer is deterministic."""

    task: str  # digest
    task_name: str
    device: str = "auto"  # auto | cuda | pycuda | emulated | host; cuda:1 is the second GPU
    hardware: str = ""  # profile name; the device's own when empty
    strategy: str = "mcts"
    strategy_reason: str = ""  # why that one, where the choice was left to us
    strategy_options: Mapping[str, float] = field(default_factory=dict)
    proposer: str = "rules"  # "rules", or provider:model as in `anthropic:claude-…`, `replay:PATH`, `mailbox:DIR`
    proposer_options: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ALONE  # whom a model is asked as; the coder is always among them
    thoughts: tuple[Thought, ...] = ()  # what is tried on the baseline first, each once, before the strategy is asked
    playbook: str = "bandit"  # who names the directive of a proposal: "bandit", or "none" for nobody
    reward: str = "default"
    metrics: str = "quick"  # "none" switches profiling off
    budget: Budget = Budget()
    parallel: int = 1  # attempts at a time, for each place where candidates are judged
    worker: str = LOCAL  # where that is: "local", "gpus", "gpus:0,1", "ray", "ray:ADDRESS", or "spool:DIR" with the device of DIR's workers
    seed: int = 0
    secret: str = ""  # contents of inputs follow from it; drawn when the run starts, unless it is to repeat another
    unsafe: bool = False  # run candidates without a sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a strategy asks for: an edit of `parent`, or with `repeat` another trial of it. `seed` makes the proposer's choices
    reproducible."""

    ticket: int  # counts asks; pairs a `tell` with its `ask`. NO_TICKET where the strategy did not ask
    parent: int  # node number
    seed: int
    directive: str | None = None  # what to try first: a directive of the playbook, or a rule's name
    others: tuple[int, ...] = ()  # further nodes to draw on: the second parent of a crossover, the better one of a pair
    note: str = ""  # words for the proposer: a direction, a reflection, lessons
    apart: float = 0.0  # least structural distance (0..1) from every kernel that passed before; nearer ones count as duplicates
    model: str = ""  # which model of a pool is to be asked; empty where there is no choice
    repeat: bool = False  # evaluate the parent's own kernel once more, on fresh contents
    hints: tuple[int, ...] = ()  # numbers of the owner's hints that the proposer was told
    by_hand: str = ""  # the letter that the owner of the run put the kernel into; nobody proposed it


class Outcome(enum.Enum):
    """What became of an attempt."""

    EVALUATED = "evaluated"
    DUPLICATE = "duplicate"  # the same candidate as an earlier node, whose evaluation it shares
    UNUSABLE = "unusable"  # the reply held no edit, or it did not apply
    EXHAUSTED = "exhausted"  # the proposer knows nothing more for this parent
    LLM_FAILED = "model failed"  # refused, truncated, busy
    REPEATED = "repeated"  # another trial of the parent's kernel; says nothing of a new one
    DECLINED = "declined"  # the owner of the run did not let it run


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a worker gives back. `candidate` and `evaluation` are there when EVALUATED; `detail` tells what went wrong."""

    proposal: Proposal | None  # None: the baseline itself
    outcome: Outcome
    candidate: Candidate | None = None
    evaluation: Evaluation | None = None
    detail: str = ""
    usage: Usage = Usage()
    prompt: str = ""  # kept also when the reply was unusable
    reply: str = ""
    seconds: float = 0.0
    team: Teamwork = Teamwork()  # empty where the coder worked alone

    def __post_init__(self) -> None:
        if self.outcome is Outcome.EVALUATED and (self.candidate is None or self.evaluation is None):
            raise ValueError("an evaluated attempt has a candidate and an evaluation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One recorded attempt. Number 0 is the baseline. Visit counts and the like are not here: `tell` rebuilds them."""

    number: int
    attempt: Attempt
    reward: Reward | None = None  # None when there is nothing to score
    at_seconds: float = 0.0  # wall clock since the run began

    @property
    def parent(self) -> int | None:
        return None if self.attempt.proposal is None else self.attempt.proposal.parent

    @property
    def evaluation(self) -> Evaluation | None:
        return self.attempt.evaluation

    @property
    def candidate(self) -> Candidate | None:
        return self.attempt.candidate

    @property
    def passed(self) -> bool:
        return self.attempt.evaluation is not None and self.attempt.evaluation.passed

    @property
    def held_s(self) -> float:
        """How long it had the device. A duplicate had it not: it shares the evaluation of another."""
        own = self.attempt.outcome in (Outcome.EVALUATED, Outcome.REPEATED)
        return self.attempt.evaluation.held_s if own and self.attempt.evaluation is not None else 0.0

    @property
    def time_us(self) -> float | None:
        return None if self.attempt.evaluation is None else self.attempt.evaluation.time_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a proposer is shown: the node to edit, how it came about, and what was tried from it already."""

    parent: Node
    lineage: tuple[Node, ...] = ()  # grandparent first upwards, baseline last
    siblings: tuple[Node, ...] = ()  # earlier attempts from the same parent
    others: tuple[Node, ...] = ()  # those that the proposal names
    best: Node | None = None
    baseline: Node | None = None
    plan: Plan | None = None  # of a planner, for this edit
    lessons: tuple[str, ...] = ()  # what attempts of this run have taught, a line each
    hints: tuple[str, ...] = ()  # what the owner of the run says, oldest first
