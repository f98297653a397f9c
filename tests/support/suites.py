"""Suites whose searches are played: real folders and journals, made by an engine that only writes down attempts it knows."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace

import runs
from kernelsearch import digest, search, suite
from kernelsearch.search import STOPPED, Ended, NodeDone, Result, Started
from kernelsearch.store.rundir import Header, RunFolder
from kernelsearch.suite import Batch, Entry, OnePlace, Setting, SuiteFolder
from kernelsearch.suite import Header as SuiteHeader

ENDED = "budget reached: 4 candidates"
ATTEMPTS = runs.attempts()[:5]


def task(name: str):
    return replace(runs.task(), name=name)


class Engine:
    """In place of `search.optimize` and `search.resume`. `made` counts attempts that were carried out, by task and number."""

    def __init__(self, monkeypatch) -> None:
        self.made = Counter()
        self.begun, self.resumed, self.devices = [], [], []  # `devices`: those on which runs were gone on with
        self.before = lambda task, number, stop: None  # called before each attempt; may raise, or set a stop
        monkeypatch.setattr(search, "optimize", self.optimize)
        monkeypatch.setattr(search, "resume", self.resume)

    def optimize(self, task, spec, folder, *, watch, stop):
        self.begun.append(task.name)
        self.before(task, -1, stop)
        header = Header(version="1", started="2026-11-24T00:00:00+00:00", spec=spec, task=task, environment=runs.ENVIRONMENT)
        with closing(RunFolder.create(folder, header)) as home:
            return self._go(home, watch, stop)

    def resume(self, folder, *, device, watch, stop):
        with closing(RunFolder.open_for_writing(folder)) as home:
            self.resumed.append(home.task.name)
            self.devices.append(device)
            home.journal.repair()
            return self._go(home, watch, stop)

    def _go(self, home, watch, stop):
        watch(Started(task=home.task, environment=home.environment, spec=home.spec, folder=home.path, nodes=home.nodes))
        ended = ENDED
        for number in range(len(home.nodes), len(ATTEMPTS)):
            self.before(home.task, number, stop)
            if stop.is_set():
                ended = STOPPED
                break
            self.made[home.task.name, number] += 1
            node = home.journal.append(ATTEMPTS[number], None, 3.0 * number)
            watch(NodeDone(node=node, best=home.journal.best, totals=home.journal.totals, pending=0))
        home.end(ended)
        watch(Ended(reason=ended))
        nodes = home.nodes
        return Result(folder=home.path, baseline=nodes[0], best=home.journal.best, totals=home.journal.totals, ended=ended)


def header(*names: str, **more) -> SuiteHeader:
    entries = tuple(Entry(ref=name, suite="user", name=name, digest=digest.task(task(name))) for name in names)
    given = {"version": "1", "started": "2026-11-24T00:00:00+00:00", "tasks": entries, "settings": (Setting(spec=runs.SPEC),)}
    return SuiteHeader(**{**given, **more})


class Heard:
    """What a suite told."""

    def __init__(self) -> None:
        self.rows, self.missed, self.began, self.events = [], [], [], []
        self.stop = threading.Event()

    def run(self, home: SuiteFolder, **more) -> str:
        given = {"places": OnePlace(), "load": lambda entry: task(entry.name)}
        batch = Batch(
            home=home,
            watch=lambda job, event: self.events.append((job.key, event)),
            began=lambda job, place: self.began.append((job.key, place)),
            told=self.rows.append,
            missed=lambda job, why: self.missed.append((job.entry.name, why)),
            stop=self.stop,
            **{**given, **more},
        )
        return suite.run(batch)
