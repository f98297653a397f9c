"""One run, from its specification to its result: begun, gone on with, or given a kernel by hand.

Here a run is put together: its site, its tools, its folder, whoever watches and is asked. Its loop is `loop`; resuming is that same loop
over a journal that has nodes already.
"""

from __future__ import annotations

import datetime
import secrets
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import kernelsearch
from kernelsearch import admission, catalog, digest
from kernelsearch.chosen import Tools, resolved
from kernelsearch.errors import KernelSearchError, UsageError
from kernelsearch.events import Ended, Event, NodeDone, Noted, Result, Started, Warned, Watch
from kernelsearch.llm.recording import ANSWERS
from kernelsearch.loop import STOPPED, Run, baseline_message, search
from kernelsearch.model import Budget, RunSpec, Task, Totals
from kernelsearch.propose import allotment_of, open_proposer, recorded
from kernelsearch.propose.book import book, check_chooser, open_chooser
from kernelsearch.propose.forecast import at_start
from kernelsearch.propose.lessons import Lessons
from kernelsearch.store.inbox import Inbox
from kernelsearch.store.reports import take_over
from kernelsearch.store.rundir import Header, RunFolder
from kernelsearch.strategy import open_strategy
from kernelsearch.workers.base import Site
from kernelsearch.workers.by_hand import ByHand
from kernelsearch.workers.consent import Ask, Desk
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
