"""A worker at a spool: what it takes, what it leaves, how it ends, and what it says."""

import errno
import os
import threading
import time

import pytest
from spooled import FakeStation, claims_of, post, served, time_of, work

from kernelsearch.errors import BaselineFailed, DeviceLost, UsageError
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.claims import introduce
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Answer, Served, pack, unpack
from kernelsearch.workers.spool.serve import FAILURES, Ending, Terms, serve
from kernelsearch.workers.spool.status import look


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def answer(folder, name) -> Answer:
    return unpack(Answer, folder.file("results", name).read_bytes())


def until(condition):
    """Wait for what another thread does."""
    while not condition():
        time.sleep(0.002)


def test_all_requests_are_answered_and_the_worker_takes_its_leave(folder):
    names = [post(folder, number) for number in range(5)]
    count, said = served(folder.path)
    assert count.answered == 5 and len(said) == 5
    for number, name in enumerate(names):
        found = answer(folder, name)
        assert found.evaluation.time_us == pytest.approx(time_of(work(number).candidate))
        assert found.evaluation.environment.facts["worker"] == found.worker and found.hardware == FakeStation.hardware
        told = next(line for line in said if line.startswith(name[:12]))
        assert "passed" in told and ("modelled µs" in told) == (found.evaluation.environment.time_kind == "modelled")
    assert folder.paths("claims") == [] and folder.paths("workers") == []
    assert served(folder.path)[0].answered == 0


def test_two_workers_share_and_nothing_is_judged_twice(folder):
    for number in range(12):
        post(folder, number)
    stations = [FakeStation(0.005), FakeStation(0.005)]
    futures = [in_thread(served, folder.path, station, parallel=2) for station in stations]
    counts = [future.result(timeout=60)[0] for future in futures]
    assert sum(count.answered for count in counts) == 12 and all(count.answered for count in counts)
    assert sum(len(station.judged) for station in stations) == 12


def test_without_requests_it_waits_for_as_long_as_it_was_told(folder):
    assert served(folder.path)[0].answered == 0
    station = FakeStation()
    future = in_thread(served, folder.path, station, idle_s=30.0, ending=(ending := Ending()))
    name = post(folder, 1)
    until(folder.file("results", name).exists)
    assert not future.done()
    ending.stop.set()
    assert future.result(timeout=30)[0].answered == 1


def test_a_worker_that_died_is_relieved(folder):
    name = post(folder, 0)
    assert claims_of(folder, "dead").take(name, 0)
    dead = Served(worker="dead", environment=FakeStation.environment, hardware=FakeStation.hardware, lease_s=0.05, beat_s=0.005)
    introduce(folder, dead)
    count, _ = served(folder.path)
    assert (count.answered, count.taken_over) == (1, 1) and folder.paths("claims") == []


def test_torn_and_foreign_files_are_named_and_set_aside(folder):
    name = post(folder, 0)
    torn = folder.file("requests", "a" * 32)
    torn.write_bytes(folder.file("requests", name).read_bytes()[:-40])
    (folder.path / "requests" / "notes.txt").write_text("mine")
    (folder.path / "requests" / "x..%2f..%2fpasswd.json").write_text("mine")
    outside = folder.path.parent / "outside"
    outside.write_text("untouched")
    folder.file("requests", "b" * 32).symlink_to(outside)
    count, said = served(folder.path)  # which takes SETTLED_S, since they might have been being copied
    assert count.answered == 1 and count.refused == 4
    moved = {path.name for path in folder.paths("aside")}
    ours = {f"requests-{'a' * 32}.json", f"requests-{'b' * 32}.json"}
    assert moved == ours | {"requests-notes.txt", "requests-x..%2f..%2fpasswd.json"}
    assert all(any(part in line for line in said) for part in ("a" * 32, "notes.txt", "passwd"))
    assert outside.read_text() == "untouched"


def test_a_request_of_another_version_is_left_and_said(folder):
    name = post(folder, 0)
    file = folder.file("requests", name)
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":2', 1))
    count, said = served(folder.path)
    assert count.refused == 1 and file.exists() and "format 2" in said[0] and "install the same version" in said[0]


def test_a_request_for_measured_times_is_left_by_a_worker_that_models(folder):
    name = post(folder, 0, times="measured")
    count, said = served(folder.path)
    assert count.refused == 1 and not folder.file("results", name).exists() and "asks for measured times" in said[0]
    post(folder, 1, times="modelled")
    assert served(folder.path)[0].answered == 1


def test_what_is_wrong_with_a_request_is_its_answer(folder):
    name = post(folder, 0)
    count, said = served(folder.path, FakeStation(errors={work(0).candidate.source: BaselineFailed("it does not build")}))
    assert count.answered == 1 and "it does not build" in said[0]
    assert (answer(folder, name).failure, answer(folder, name).error) == ("it does not build", "BaselineFailed")


def test_a_worker_that_breaks_gives_its_request_back_and_the_third_time_answers_with_that(folder):
    name, other = post(folder, 0), post(folder, 1)
    for turn in range(1, FAILURES + 1):
        with pytest.raises(DeviceLost, match="fell off"):
            served(folder.path, FakeStation(errors={work(0).candidate.source: DeviceLost("it fell off the bus")}))
        assert folder.file("results", name).exists() == (turn == FAILURES)
    found = answer(folder, name)
    assert found.error == "DeviceLost" and found.failure.startswith(f"{FAILURES} workers failed at it")
    served(folder.path)
    assert folder.file("results", other).exists()


def test_an_answer_that_comes_second_is_not_used_and_counted(folder):
    name = post(folder, 0)

    class Slow(FakeStation):
        def judge(self, wanted):
            evaluation = super().judge(wanted)
            first = Answer(request=name, worker="quick", evaluation=evaluation, hardware=self.hardware)
            folder.put_once(folder.file("results", name), pack(first))
            return evaluation

    count, said = served(folder.path, Slow())
    assert (count.answered, count.late) == (0, 1) and "late" in said[0]
    assert answer(folder, name).worker == "quick" and look(folder.path).late == 1


@pytest.mark.parametrize("drop", [False, True], ids=["finishes", "gives back"])
def test_told_to_end_it_finishes_what_it_has_or_gives_it_back(folder, drop):
    name, later, go = post(folder, 0), None, threading.Event()

    class Held(FakeStation):
        def judge(self, wanted):
            go.wait()
            return super().judge(wanted)

    ending = Ending()
    future = in_thread(served, folder.path, Held(), ending=ending)
    until(lambda: folder.paths("claims"))
    ending.stop.set()
    later = post(folder, 1)
    (ending.drop if drop else go).set()
    count, said = future.result(timeout=30)
    go.set()
    assert (count.answered, count.returned) == ((0, 1) if drop else (1, 0))
    assert folder.file("results", name).exists() != drop and not folder.file("results", later).exists()
    assert ("given back" in said[0]) == drop
    seen = look(folder.path)
    assert (seen.waiting, seen.claimed, seen.answered) == ((2, 0, 0) if drop else (1, 0, 1))


def test_an_answer_waits_for_room_on_a_full_disk(folder, monkeypatch):
    name, link, full = post(folder, 0), os.link, [True]

    def linked(draft, path):
        if full[0] and "results" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        link(draft, path)

    monkeypatch.setattr(os, "link", linked)
    said = []
    future = in_thread(serve, folder.path, FakeStation(), Terms(idle_s=0.0, poll_s=0.005), Ending(), said.append)
    until(lambda: said)
    assert f"cannot write {folder.file('results', name)}: No space left on device; make room" in said[0]
    full[0] = False
    assert future.result(timeout=30).answered == 1 and len(said) == 2


def test_a_folder_that_anyone_may_write_to_is_not_served(folder):
    folder.path.chmod(0o777)
    with pytest.raises(UsageError, match="chmod o-w"):
        served(folder.path)


def test_the_status_tells_what_waits_and_who_is_at_what(folder):
    held, waiting = post(folder, 0), post(folder, 1)
    go, ending = threading.Event(), Ending()

    class Held(FakeStation):
        def judge(self, wanted):
            go.wait()
            return super().judge(wanted)

    future = in_thread(served, folder.path, Held(), ending=ending)
    until(lambda: folder.paths("claims"))
    (folder.path / "aside" / "x").touch()
    found = look(folder.path)
    (worker,) = found.workers
    assert (found.waiting, found.claimed, found.answered, found.aside) == (1, 1, 0, ("x",))
    assert (worker.state, worker.claimed, worker.device) == ("alive", 1, FakeStation.environment.device)
    go.set()
    future.result(timeout=30)
    assert look(folder.path).answered == 2 and {held, waiting} == folder.known("results")
