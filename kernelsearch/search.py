"""One run: ask, propose, evaluate, score, record, tell.

The main thread alone asks, tells and appends; workers are functions from request to attempt. Resuming is replaying: the journal's
nodes are told to a new strategy in order. Everything that is shown of a run while it goes on leaves here as an event.
"""

from __future__ import annotations

import datetime
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import kernelsearch
from kernelsearch import admission, catalog, digest
from kernelsearch.errors import BaselineFailed, UsageError
from kernelsearch.llm.recording import ANSWERS
from kernelsearch.model import (
    Attempt,
    Budget,
    Environment,
    Node,
    Outcome,
    Proposal,
    Reward,
    RewardProfile,
    RunSpec,
    Task,
    Totals,
    Usage,
    Verdict,
)
from kernelsearch.playbook import Chooser
from kernelsearch.propose import allotment_of, open_proposer, recorded
from kernelsearch.propose.allot import Allotment
from kernelsearch.propose.base import Proposer
from kernelsearch.propose.book import book, check_chooser, open_chooser
from kernelsearch.propose.forecast import Forecast, at_start
from kernelsearch.propose.lessons import Lessons
from kernelsearch.score import score
from kernelsearch.store.journal import Journal
from kernelsearch.store.rundir import Header, RunFolder
from kernelsearch.strategy import AUTO, choose, open_strategy
from kernelsearch.strategy.base import Strategy
from kernelsearch.strategy.rooted import rooted
from kernelsearch.workers.base import Request, Site, Worker
from kernelsearch.workers.heard import Heard
from kernelsearch.workers.local import LocalWorker
from kernelsearch.workers.sites import open_site

_LOOK_S = 0.2  # how often a waiting run looks whether it was told to stop
_GRACE_S = 10.0  # how long attempts under way may take to finish when a run is over; what they cost is then still recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The run begins, or goes on with `nodes` recorded earlier."""

    task: Task
    environment: Environment
    spec: RunSpec
    folder: Path
    nodes: tuple[Node, ...] = ()
    forecast: Forecast | None = None  # of one attempt's prompt and price; None where no model is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDone:
    """An attempt was recorded. Node 0 is the baseline."""

    node: Node
    best: Node
    totals: Totals
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something a person should know; the run goes on."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why the run is over."""

    reason: str


Event = Started | NodeDone | Warned | Ended
Watch = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to. `best` is the baseline itself when nothing beat it."""

    folder: Path
    baseline: Node
    best: Node
    totals: Totals
    ended: str

    @property
    def speedup(self) -> float:
        """Baseline time over best time; 1 when nothing was better."""
        ours = None if self.best.evaluation is None else self.best.evaluation.measurement
        theirs = None if self.baseline.evaluation is None else self.baseline.evaluation.measurement
        return 1.0 if ours is None or theirs is None else ours.speedup_over(theirs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What `search` needs to know. `before` are seconds that earlier sessions of the run took; `listen` tells what others said since."""

    budget: Budget
    parallel: int
    rewards: RewardProfile
    watch: Watch
    stop: threading.Event
    before: float = 0.0
    listen: Callable[[], None] = lambda: None
    chooser: Chooser | None = None  # names directives where the strategy does not
    lessons: Lessons | None = None
    allotment: Allotment | None = None  # says which model of a pool is asked
    expected: Usage | None = None  # what an attempt takes of models, before one has shown it


def search(run: Run, strategy: Strategy, worker: Worker, journal: Journal) -> str:
    """Search until the budget is spent, nothing is left to try, or `run.stop` is set. Returns which of them it was."""
    clock = _Clock(run.before)
    for node in journal.nodes:
        worker.remember(node)
        _tell(node, run, strategy, journal)
    if not journal.nodes:
        _record(worker.submit(Request()).result(), run, strategy, journal, clock, pending=0)
    pending: set[Future[Attempt]] = set()
    while True:
        ended = None
        while len(pending) < run.parallel and (ended := _over(run, journal, clock, len(pending))) is None:
            if (proposal := strategy.ask()) is None:
                ended = "nothing left to try"
                break
            pending.add(worker.submit(_request(proposal, run, journal)))
        if not pending:
            return ended or "nothing left to try"
        done, pending = _wait(pending, run, clock)
        if not done:
            return _over(run, journal, clock, len(pending)) or "stopped by the user"
        for future in done:
            _record(future.result(), run, strategy, journal, clock, pending=len(pending))


def _request(proposal: Proposal, run: Run, journal: Journal) -> Request:
    """The strategy says where to go on, the chooser how, where it may, the allotment who; lessons of the whole run go along."""
    context = journal.context(proposal)
    if run.lessons is not None:
        context = replace(context, lessons=run.lessons.lines())
    if run.chooser is not None:
        proposal = run.chooser.choose(proposal, context)
    return Request(proposal=proposal if run.allotment is None else run.allotment.choose(proposal), context=context)


def _tell(node: Node, run: Run, strategy: Strategy, journal: Journal) -> None:
    parent = None if node.parent is None else journal.nodes[node.parent]
    strategy.tell(node)
    for listener in (run.chooser, run.lessons, run.allotment):
        if listener is not None:
            listener.tell(node, parent)


def _over(run: Run, journal: Journal, clock: _Clock, pending: int) -> str | None:
    """Why no further attempt may begin; None when one may."""
    if run.stop.is_set():
        return "stopped by the user"
    spent = run.budget.spent(replace(journal.totals, seconds=clock.seconds()), pending, run.expected)
    return f"budget reached: {spent}" if spent else None


def _wait(pending: set[Future[Attempt]], run: Run, clock: _Clock) -> tuple[set[Future[Attempt]], set[Future[Attempt]]]:
    """Some finished attempts and the rest; none finished only when the run was stopped, or its minutes are up, and the grace is over."""
    minutes = run.budget.minutes
    while not run.stop.is_set() and (minutes is None or clock.seconds() < 60 * minutes):
        done, still = wait(pending, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        run.listen()
        if done:
            return done, still
    done, still = wait(pending, timeout=_GRACE_S, return_when=FIRST_COMPLETED)
    return done, still


def _record(attempt: Attempt, run: Run, strategy: Strategy, journal: Journal, clock: _Clock, *, pending: int) -> None:
    if moved := _moved(attempt, journal):
        run.watch(Warned(text=moved))
    reward = _reward(attempt, journal, run.rewards)
    node = journal.append(attempt, reward, clock.seconds())
    _tell(node, run, strategy, journal)
    if journal.best is not None:
        run.watch(NodeDone(node=node, best=journal.best, totals=journal.totals, pending=pending))
    elif node.number == 0:
        raise BaselineFailed(_baseline_message(node))


def _moved(attempt: Attempt, journal: Journal) -> str | None:
    """That an attempt was judged on another device than the one before it."""
    judged = (node.evaluation for node in reversed(journal.nodes) if node.attempt.outcome is not Outcome.DUPLICATE)
    before = next((evaluation for evaluation in judged if evaluation is not None), None)
    now = None if attempt.outcome is Outcome.DUPLICATE else attempt.evaluation
    if before is None or now is None or now.environment.device == before.environment.device:
        return None
    return f"judged on {now.environment.device} from here on, before on {before.environment.device}: their times are not comparable"


def _reward(attempt: Attempt, journal: Journal, rewards: RewardProfile) -> Reward | None:
    if attempt.evaluation is None:
        return None
    baseline = journal.nodes[0].evaluation if journal.nodes else attempt.evaluation
    return None if baseline is None else score(attempt.evaluation, baseline, rewards)


def _baseline_message(node: Node) -> str:
    if node.evaluation is None:
        return f"the kernel to start from could not be judged: {node.attempt.detail}"
    verdict, detail = node.evaluation.verdict, node.evaluation.detail.strip()
    remedy = "; correct [cost] in the task file, or name the right GPU with --hardware" if verdict is Verdict.IMPLAUSIBLE else ""
    return f"the kernel to start from does not pass ({verdict.value}), so there is nothing to improve yet: {detail}{remedy}"


class _Clock:
    """Wall clock of a run, over all its sessions."""

    def __init__(self, before: float) -> None:
        self._start = time.monotonic() - before

    def seconds(self) -> float:
        return time.monotonic() - self._start


def optimize(task: Task, spec: RunSpec, folder: Path, *, watch: Watch, stop: threading.Event) -> Result:
    """Start a run in a new `folder` and search to the end of its budget.

    Raises `BaselineFailed` when the task's own kernel does not pass; the folder is kept with that one node.
    """
    check_chooser(spec.playbook)
    spec = replace(_resolved(spec), task=digest.task(task), task_name=task.name, secret=spec.secret or secrets.token_hex(16))
    tools = _Tools.of(spec, Totals())  # before the lab and the folder: a wrong name or a missing key leaves nothing behind
    heard = Heard(lambda text: watch(Warned(text=text)))
    with closing(open_site(spec, heard.say)) as site:
        if why := admission.unsound(task, site.scratch):
            raise UsageError(f"task {task.name!r} cannot tell right from wrong: {why}; `kernelsearch tasks check` tells more")
        site.begin(task, lambda: heard.stopped(stop))
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        header = Header(
            version=kernelsearch.__version__, started=started, spec=spec, task=task, environment=site.environment, rewards=tools.rewards
        )
        with closing(RunFolder.create(folder, header)) as home:
            return _search_in(home, site, tools, spec.budget, watch, heard, stop)


def resume(folder: Path, *, budget: Budget | None = None, worker: str = "", watch: Watch, stop: threading.Event) -> Result:
    """Go on with the run in `folder`; `budget` replaces the old one, and what was spent before counts. So does `worker`.

    A damaged journal is cut back to its whole lines, which is announced.
    """
    with closing(RunFolder.open_for_writing(folder)) as home:
        damage = home.damaged
        if aside := home.journal.repair():
            watch(Warned(text=f"{damage}. Going on from those; the rest was moved to {aside}"))
        tools = _Tools.of(home.spec, home.journal.totals, home.header.rewards)
        heard = Heard(lambda text: watch(Warned(text=text)))
        with closing(open_site(replace(home.spec, worker=worker or home.spec.worker), heard.say)) as site:
            site.begin(home.task, lambda: heard.stopped(stop))
            if site.environment.device != home.environment.device:
                other = f"times from {site.environment.device} are not comparable with it"
                watch(Warned(text=f"the run began on {home.environment.device}; {other}"))
            return _search_in(home, site, tools, budget or home.spec.budget, watch, heard, stop)


def _resolved(spec: RunSpec) -> RunSpec:
    """With the name of a strategy where the choice was left to us, so that a resumed run goes on with the same one."""
    if spec.strategy != AUTO:
        return spec
    name, reason = choose(spec.budget, parallel=spec.parallel, proposer=spec.proposer)
    return replace(spec, strategy=name, strategy_reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tools:
    """What a specification names."""

    proposer: Proposer
    strategy: Strategy
    rewards: RewardProfile

    @classmethod
    def of(cls, spec: RunSpec, spent: Totals, rewards: RewardProfile | None = None) -> _Tools:
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


def _search_in(home: RunFolder, site: Site, tools: _Tools, budget: Budget, watch: Watch, heard: Heard, stop: threading.Event) -> Result:
    spec, journal = replace(home.spec, budget=budget), home.journal
    forecast = at_start(home.task, site.hardware, spec.proposer, spec.proposer_options, roles=spec.roles)
    watch(Started(task=home.task, environment=site.environment, spec=spec, folder=home.path, nodes=home.nodes, forecast=forecast))
    run = Run(
        budget=budget,
        parallel=spec.parallel * site.places,
        rewards=tools.rewards,
        watch=watch,
        stop=stop,
        before=journal.totals.seconds,
        listen=heard.listen,
        chooser=open_chooser(spec.playbook, proposer=spec.proposer, task=home.task, hardware=site.hardware),
        lessons=Lessons(book()),
        allotment=allotment_of(tools.proposer),
        expected=None if forecast is None else forecast.attempt,
    )
    worker = LocalWorker(task=home.task, site=site, proposer=recorded(tools.proposer, home.path / ANSWERS))
    with closing(worker):
        ended = search(run, tools.strategy, worker, journal)
    watch(Ended(reason=ended))
    return Result(folder=home.path, baseline=journal.nodes[0], best=journal.best or journal.nodes[0], totals=journal.totals, ended=ended)
