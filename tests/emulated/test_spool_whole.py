"""A whole run through a spool, judged by `kernelsearch worker` in a process of its own: the journal is that of a run that judges here."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from kernelsearch import catalog, digest, search
from kernelsearch.model import Budget, Case, RunSpec
from kernelsearch.search import Warned
from kernelsearch.store.rundir import RunFolder


@pytest.fixture
def task():
    shipped = catalog.task("core/transpose")
    small = tuple(case for case in shipped.cases if not case.timed)
    return replace(shipped, cases=(Case(name="timed", sizes={"rows": 256, "cols": 256}, timed=True), *small))


@contextmanager
def working(folder):
    """A worker at `folder`; yields what it printed, once it has ended by Ctrl-C."""
    command = [sys.executable, "-c", "from kernelsearch.cli import main; main()", "worker", str(folder), "--device", "emulated"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as worker:
        try:
            yield said
            worker.send_signal(signal.SIGINT)
            said += worker.communicate(timeout=60)[0].splitlines()
            assert worker.returncode == 0, said
        finally:
            worker.kill()


def spec(**fields) -> RunSpec:
    return RunSpec(task="", task_name="", seed=7, secret="told", **fields)


def told(folder):
    """Everything but times of our own work, and where it was done."""
    return [
        (
            n.number,
            n.attempt.proposal,
            n.attempt.outcome,
            n.candidate,
            n.reward,
            n.attempt.detail,
            replace(n.evaluation, seconds={}, held_s=0.0, build=replace(n.evaluation.build, seconds=0.0, cached=False), environment=None),
        )
        for n in RunFolder.open(folder).nodes
    ]


def test_a_run_through_a_spool_is_that_of_one_machine(task, tmp_path):
    events, stop = [], threading.Event()
    elsewhere = spec(worker=f"spool:{tmp_path / 'spool'}", budget=Budget(candidates=1))
    with working(tmp_path / "spool") as said:
        search.optimize(task, elsewhere, tmp_path / "there", watch=events.append, stop=stop)
        search.resume(tmp_path / "there", budget=Budget(candidates=2), watch=events.append, stop=stop)
    here = spec(device="emulated", budget=Budget(candidates=2))
    search.optimize(task, here, tmp_path / "here", watch=events.append, stop=stop)
    assert told(tmp_path / "there") == told(tmp_path / "here")
    there = RunFolder.open(tmp_path / "there")
    assert there.environment.device == RunFolder.open(tmp_path / "here").environment.device
    workers = {node.evaluation.environment.facts["worker"] for node in there.nodes}
    assert len(workers) == 1 and not [event for event in events if isinstance(event, Warned) and "no worker" not in event.text]
    assert said[0].startswith("serving") and said[-1].startswith("done: 3 answered; requests waited for ")
    assert len([line for line in said if " passed " in line]) == 3
    assert there.nodes[0].evaluation.candidate == digest.candidate(digest.baseline(task))
