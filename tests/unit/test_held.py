"""How long a device was held: by one ledger's clock, by evaluation, and what a worker says of it."""

import contextvars
import dataclasses
import threading

from nodes import candidate, passing
from spooled import FakeStation, post, served

from kernelsearch.cli.busy import busy
from kernelsearch.device import held
from kernelsearch.device.held import Ledger
from kernelsearch.device.pool import GpuLock
from kernelsearch.model import Attempt, Node, Outcome, Proposal
from kernelsearch.workers.spool.claims import noted
from kernelsearch.workers.spool.count import Busy, Count
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Worked
from kernelsearch.workers.spool.status import look


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_spans_that_overlap_count_once_and_one_that_is_open_up_to_now():
    clock = Clock()
    ledger = Ledger(clock)
    with ledger.span():
        clock.now = 2.0
        with ledger.span():
            clock.now = 3.0
            assert ledger.seconds == 3.0
        clock.now = 4.0
    clock.now = 9.0
    assert ledger.seconds == 4.0
    with ledger.span():
        clock.now = 10.0
    assert ledger.seconds == 5.0


def test_a_lock_enters_what_it_holds_for_the_evaluation_of_its_thread_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("kernelsearch.paths.scratch_root", lambda: tmp_path)
    clock = Clock()
    mine, other, copied = Ledger(clock), Ledger(clock), Ledger(clock)
    lock = GpuLock("GPU-held")

    def elsewhere():
        with held.counted(other), lock.beside():
            clock.now += 4.0

    with held.counted(mine):
        with lock.alone(quiet=True):
            clock.now += 1.0
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    with held.counted(copied):  # as the tools of a sanitizer are run
        copy = contextvars.copy_context()
    with lock.alone(quiet=False):
        clock.now += 16.0

    def shared():
        with lock.beside():
            clock.now += 32.0

    copy.run(shared)
    assert (mine.seconds, other.seconds, copied.seconds) == (1.0, 4.0, 32.0)
    assert held.by_device()["GPU-held"] > 0.0


def test_the_seconds_of_a_run_leave_out_duplicates():
    def node(outcome, seconds):
        evaluation = dataclasses.replace(passing(1.0, "n"), held_s=seconds)
        made = candidate(0) if outcome is Outcome.EVALUATED else None
        attempt = Attempt(proposal=Proposal(ticket=0, parent=0, seed=0), outcome=outcome, candidate=made, evaluation=evaluation)
        return Node(number=0, attempt=attempt)

    nodes = [node(Outcome.EVALUATED, 1.5), node(Outcome.DUPLICATE, 1.5), node(Outcome.REPEATED, 2.0)]
    assert [each.held_s for each in nodes] == [1.5, 0.0, 2.0]


def test_a_device_is_busy_only_where_requests_waited(monkeypatch):
    clock, station, count = Clock(), FakeStation(), Count()
    monkeypatch.setattr("kernelsearch.workers.spool.count.time.monotonic", clock)
    device = Busy(count, lambda: station.held_s, at=0.0)
    steps = [(5.0, 1.0, True), (15.0, 9.0, True), (20.0, 9.0, False), (100.0, 60.0, True), (105.0, 61.0, False)]
    for at, held_so_far, waiting in steps:
        clock.now, station.held_s = at, held_so_far
        device.look(waiting)
    assert (count.waited_s, count.held_s) == (20.0, 9.0)
    assert "waited for 20.0 s, and for 45 % of that the device was held" in busy(count.worked("w"))
    assert busy(Count().worked("w")) == ""


def test_what_workers_did_stays_in_the_folder(tmp_path):
    folder = Folder(tmp_path)
    for number in range(3):
        post(folder, number)
    station = FakeStation(0.01)
    count, _ = served(tmp_path, station)
    (worked,) = look(tmp_path).worked
    assert (worked.answered, worked.waited_s, worked.held_s) == (3, count.waited_s, count.held_s)
    assert 0.0 < worked.held_s <= station.held_s and worked.busy == worked.held_s / worked.waited_s
    (folder.path / "worked" / "torn.json").write_text("{")
    assert noted(folder) == [worked]
    assert Worked(worker="w", answered=0, waited_s=0.0, held_s=0.0).busy is None
