"""The loop of a run: ask, propose, evaluate, score, record, tell.

The main thread alone asks, tells and appends; workers are functions from request to attempt. A journal that has nodes already is told to
the strategy in order, so resuming is replaying. Everything that is shown of a run while it goes on leaves here as an event.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace

from kernelsearch.errors import BaselineFailed
from kernelsearch.events import NodeDone, Warned, Watch
from kernelsearch.model import Attempt, Budget, Node, Outcome, Proposal, Reward, RewardProfile, Usage, Verdict
from kernelsearch.playbook import Chooser
from kernelsearch.propose.allot import Allotment
from kernelsearch.propose.lessons import Lessons
from kernelsearch.score import score
from kernelsearch.store.journal import Journal
from kernelsearch.strategy.base import Strategy
from kernelsearch.workers.base import Request, Worker
from kernelsearch.workers.by_hand import ByHand
from kernelsearch.workers.consent import undecided
from kernelsearch.workers.guidance import Guidance

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
