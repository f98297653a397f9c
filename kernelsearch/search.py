"""One run: ask, propose, evaluate, score, record, tell.

The main thread alone asks, tells and appends; workers are functions from request to attempt. Resuming is replaying: the journal's
nodes are told to a new strategy in order. Everything that is shown of a run while it goes on leaves here as an event.
"""

from __future__ import annotations

import datetime
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import kernelsearch
from kernelsearch import admission, catalog, digest
from kernelsearch.chosen import Tools, resolved
from kernelsearch.errors import BaselineFailed, KernelSearchError, UsageError
from kernelsearch.events import Ended, Event, NodeDone, Noted, Result, Started, Warned, Watch
from kernelsearch.llm.recording import ANSWERS
from kernelsearch.model import (
    Attempt,
    Budget,
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
from kernelsearch.propose.book import book, check_chooser, open_chooser
from kernelsearch.propose.forecast import at_start
from kernelsearch.propose.lessons import Lessons
from kernelsearch.score import score
from kernelsearch.store.inbox import Inbox
from kernelsearch.store.journal import Journal
from kernelsearch.store.reports import take_over
from kernelsearch.store.rundir import Header, RunFolder
from kernelsearch.strategy import open_strategy
from kernelsearch.strategy.base import Strategy
from kernelsearch.workers.base import Request, Site, Worker
from kernelsearch.workers.by_hand import ByHand
from kernelsearch.workers.consent import Ask, Desk, undecided
from kernelsearch.workers.guidance import Guidance, copy_hints
from kernelsearch.workers.heard import Heard
from kernelsearch.workers.local import LocalWorker
from kernelsearch.workers.sites import open_site

__all__ = [
    "STOPPED",
    "Ended",
    "Event",
    "NodeDone",
    "Noted",
    "Result",
    "Run",
    "Started",
    "Warned",
    "Watch",
    "baseline_message",
    "judge_added",
    "optimize",
    "resume",
    "search",
]

STOPPED = "stopped by the user"  # why a run ended that was told to
_LOOK_S = 0.2  # how often a waiting run looks whether it was told to stop
_GRACE_S = 10.0  # how long attempts under way may take to finish when a run is over; what they cost is then still recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What `search` needs to know. `before` are seconds that earlier sessions of the run took; `listen` tells what others said since, and
    asks what they want to know, until `hush`."""

    budget: Budget
    parallel: int
    rewards: RewardProfile
    watch: Watch
    stop: threading.Event
    before: float = 0.0
    listen: Callable[[], None] = lambda: None
    hush: Callable[[], None] = lambda: None  # attempts that wait for an answer of the owner's get none
    chooser: Chooser | None = None  # names directives where the strategy does not
    lessons: Lessons | None = None
    allotment: Allotment | None = None  # says which model of a pool is asked
    keep: Callable[[Attempt], str] = lambda attempt: ""  # of an attempt what is not in the journal; says why it could not
    expected: Usage | None = None  # what an attempt takes of models, before one has shown it
    guidance: Guidance | None = None  # hints of the owner's, where a model is asked
    by_hand: ByHand | None = None  # kernels that the owner adds


def search(run: Run, strategy: Strategy, worker: Worker, journal: Journal) -> str:
    """Search until the budget is spent, nothing is left to try, or `run.stop` is set. Returns which of them it was."""
    clock = _Clock(run.before)
    for node in journal.nodes:
        worker.remember(node)
        _tell(node, run, strategy, journal)
    if not journal.nodes:
        _record(worker.submit(Request()).result(), run, strategy, journal, clock, pending=0)
    pending: set[Future[Attempt]] = set()
    added: set[Future[Attempt]] = set()  # beside `pending`: by the owner's hand, and in no budget
    while True:
        ended = None
        added |= _added(run, worker, journal, clock, len(added))
        while len(pending) < run.parallel and (ended := _over(run, journal, clock, len(pending))) is None:
            if (proposal := strategy.ask()) is None:
                ended = "nothing left to try"
                break
            pending.add(worker.submit(_request(proposal, run, journal)))
        if not pending and not added:
            return ended or "nothing left to try"
        if (done := _wait(pending | added, run, clock)) is None:
            return _over(run, journal, clock, len(pending)) or STOPPED
        pending, added = pending - done, added - done
        for future in done:
            _record(future.result(), run, strategy, journal, clock, pending=len(pending))


def _request(proposal: Proposal, run: Run, journal: Journal) -> Request:
    """The strategy says where to go on, the chooser how, where it may, the allotment who; lessons of the whole run go along."""
    context = journal.context(proposal)
    if run.guidance is not None:
        proposal, context = run.guidance.guide(proposal, context)
    if run.lessons is not None:
        context = replace(context, lessons=run.lessons.lines())
    if run.chooser is not None:
        proposal = run.chooser.choose(proposal, context)
    return Request(proposal=proposal if run.allotment is None else run.allotment.choose(proposal), context=context)


def _added(run: Run, worker: Worker, journal: Journal, clock: _Clock, under_way: int) -> set[Future[Attempt]]:
    """What the owner put into the run's inbox, on its way; as many at a time as there are attempts."""
    if run.by_hand is None or _cut_short(run, clock):
        return set()
    return {worker.submit(request) for request in run.by_hand.requests(journal, run.parallel - under_way)}


def _tell(node: Node, run: Run, strategy: Strategy, journal: Journal) -> None:
    parent = None if node.parent is None else journal.nodes[node.parent]
    strategy.tell(node)
    for listener in (run.chooser, run.lessons, run.allotment):
        if listener is not None:
            listener.tell(node, parent)


def _over(run: Run, journal: Journal, clock: _Clock, pending: int) -> str | None:
    """Why no further attempt may begin; None when one may."""
    if run.stop.is_set():
        return STOPPED
    spent = run.budget.spent(replace(journal.totals, seconds=clock.seconds()), pending, run.expected)
    return f"budget reached: {spent}" if spent else None


def _cut_short(run: Run, clock: _Clock) -> bool:
    """Whether not even what is under way is waited for: the run was stopped, or its minutes are up."""
    minutes = run.budget.minutes
    return run.stop.is_set() or (minutes is not None and clock.seconds() >= 60 * minutes)


def _wait(pending: set[Future[Attempt]], run: Run, clock: _Clock) -> set[Future[Attempt]] | None:
    """Finished attempts, none where the owner added something meanwhile; None when the run was cut short and the grace is over."""
    while not _cut_short(run, clock):
        done, _ = wait(pending, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        run.listen()
        if done or (run.by_hand is not None and run.by_hand.waiting()):
            return done
    run.hush()
    return wait(pending, timeout=_GRACE_S, return_when=FIRST_COMPLETED).done or None


def _record(attempt: Attempt, run: Run, strategy: Strategy, journal: Journal, clock: _Clock, *, pending: int) -> None:
    if undecided(attempt):
        return
    if moved := _moved(attempt, journal):
        run.watch(Warned(text=moved))
    reward = _reward(attempt, journal, run.rewards)
    node = journal.append(attempt, reward, clock.seconds())
    if why := run.keep(attempt):
        run.watch(Warned(text=why))
    if run.by_hand is not None:
        run.by_hand.recorded(attempt)
    _tell(node, run, strategy, journal)
    if journal.best is not None:
        run.watch(NodeDone(node=node, best=journal.best, totals=journal.totals, pending=pending))
    elif node.number == 0:
        raise BaselineFailed(baseline_message(node))


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


def baseline_message(node: Node) -> str:
    """What is wrong with a baseline that does not pass."""
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


def optimize(task: Task, spec: RunSpec, folder: Path, *, watch: Watch, stop: threading.Event, ask: Ask | None = None) -> Result:
    """Start a run in a new `folder` and search to the end of its budget. With `ask`, nothing that a proposer made runs without a yes.

    Raises `BaselineFailed` when the task's own kernel does not pass; the folder is kept with that one node.
    """
    check_chooser(spec.playbook)
    spec = replace(resolved(spec), task=digest.task(task), task_name=task.name, secret=spec.secret or secrets.token_hex(16))
    tools = Tools.of(spec, Totals())  # before the lab and the folder: a wrong name or a missing key leaves nothing behind
    heard = Heard(lambda text: watch(Warned(text=text)))
    with closing(open_site(spec, heard.say, energy=tools.energy)) as site:
        if why := admission.unsound(task, site.scratch):
            raise UsageError(f"task {task.name!r} cannot tell right from wrong: {why}; `kernelsearch tasks check` tells more")
        site.begin(task, lambda: heard.stopped(stop))
        at_start(task, site.hardware, spec.proposer, spec.proposer_options)  # a prompt that is too long leaves nothing behind either
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        header = Header(
            version=kernelsearch.__version__, started=started, spec=spec, task=task, environment=site.environment, rewards=tools.rewards
        )
        with closing(RunFolder.create(folder, header)) as home:
            copy_hints(spec.proposer, home.path)
            return _search_in(home, site, tools, spec.budget, _Session(watch=watch, heard=heard, stop=stop, ask=ask))


def resume(
    folder: Path,
    *,
    budget: Budget | None = None,
    worker: str = "",
    device: str = "",
    watch: Watch,
    stop: threading.Event,
    ask: Ask | None = None,
) -> Result:
    """Go on with the run in `folder`; `budget` replaces the old one, and what was spent before counts. So do `worker` and `device`.
    `ask` is as for `optimize`.

    A damaged journal is cut back to its whole lines, which is announced.
    """
    with closing(RunFolder.open_for_writing(folder)) as home:
        _repair(home, watch)
        tools = Tools.of(home.spec, home.journal.totals, home.header.rewards)
        heard = Heard(lambda text: watch(Warned(text=text)))
        with closing(_site_again(home, _judged_by(home.spec, worker, device), watch, heard, stop, energy=tools.energy)) as site:
            return _search_in(home, site, tools, budget or home.spec.budget, _Session(watch=watch, heard=heard, stop=stop, ask=ask))


def judge_added(folder: Path, *, watch: Watch) -> None:
    """Judge what is in the inbox of a run that nobody goes on with now, and nothing else; no strategy and no model is asked.

    Raises `RunBusy` when somebody does: then it is theirs to judge.
    """
    with closing(RunFolder.open_for_writing(folder)) as home:
        _repair(home, watch)
        rewards = home.header.rewards or catalog.reward_profile(home.spec.reward)
        tools = Tools(proposer=open_proposer("rules", options={}), strategy=open_strategy("best-of-n", seed=0, options={}), rewards=rewards)
        heard, stop = Heard(lambda text: watch(Warned(text=text))), threading.Event()
        with closing(_site_again(home, home.spec, watch, heard, stop, energy=tools.energy)) as site:
            _search_in(home, site, tools, Budget(candidates=0), _Session(watch=watch, heard=heard, stop=stop, asking=False))


def _repair(home: RunFolder, watch: Watch) -> None:
    damage = home.damaged
    if aside := home.journal.repair():
        watch(Warned(text=f"{damage}. Going on from those; the rest was moved to {aside}"))


def _judged_by(spec: RunSpec, worker: str, device: str) -> RunSpec:
    return replace(spec, worker=worker or spec.worker, device=device or spec.device)


def _site_again(home: RunFolder, spec: RunSpec, watch: Watch, heard: Heard, stop: threading.Event, *, energy: bool) -> Site:
    """Where the run's candidates are judged, ready; that it is another device than before is announced."""
    with ExitStack() as unless_ready:
        site = unless_ready.enter_context(closing(open_site(spec, heard.say, energy=energy)))
        site.begin(home.task, lambda: heard.stopped(stop))
        if site.environment.device != home.environment.device:
            other = f"times from {site.environment.device} are not comparable with it"
            watch(Warned(text=f"the run began on {home.environment.device}; {other}"))
        unless_ready.pop_all()
    return site


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """Who watches, ends and is asked. `asking`: whether proposers are, who then hear the owner's hints."""

    watch: Watch
    heard: Heard
    stop: threading.Event
    ask: Ask | None = None
    asking: bool = True


def _guidance(home: RunFolder, watch: Watch) -> Guidance:
    return Guidance(home.path, home.spec.proposer, note=lambda text: watch(Noted(text=text)), warn=lambda text: watch(Warned(text=text)))


def _search_in(home: RunFolder, site: Site, tools: Tools, budget: Budget, session: _Session) -> Result:
    spec, journal, watch = replace(home.spec, budget=budget), home.journal, session.watch
    forecast = at_start(home.task, site.hardware, spec.proposer, spec.proposer_options, roles=spec.roles)
    watch(Started(task=home.task, environment=site.environment, spec=spec, folder=home.path, nodes=home.nodes, forecast=forecast))
    desk = None if session.ask is None else Desk(session.ask, session.stop)
    guidance = _guidance(home, watch) if session.asking else None

    def listen() -> None:
        session.heard.listen()
        if guidance is not None:
            guidance.look()
        if desk is not None:
            desk.serve()

    run = Run(
        budget=budget,
        parallel=spec.parallel * site.places,
        rewards=tools.rewards,
        watch=watch,
        stop=session.stop,
        before=journal.totals.seconds,
        listen=listen,
        hush=(lambda: None) if desk is None else desk.close,
        chooser=open_chooser(spec.playbook, proposer=spec.proposer, task=home.task, hardware=site.hardware),
        lessons=Lessons(book()),
        allotment=allotment_of(tools.proposer),
        keep=lambda attempt: take_over(attempt, site.reports, home.reports),
        expected=None if forecast is None else forecast.attempt,
        guidance=guidance,
        by_hand=ByHand(Inbox(home.path), digest.task(home.task), lambda text: watch(Warned(text=text))),
    )
    worker = LocalWorker(task=home.task, site=site, proposer=recorded(tools.proposer, home.path / ANSWERS), desk=desk)
    try:
        with closing(worker):
            ended = search(run, tools.strategy, worker, journal)
    except KernelSearchError as error:
        home.end(str(error), failed=True)
        raise
    if session.asking or home.earlier is None:
        home.end(ended)
    else:  # what was added to a run that had ended has not changed why
        home.end(home.earlier.reason, failed=home.earlier.failed)
    watch(Ended(reason=ended))
    return Result(folder=home.path, baseline=journal.nodes[0], best=journal.best or journal.nodes[0], totals=journal.totals, ended=ended)
