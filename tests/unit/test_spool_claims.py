"""Claims: one holder, taken over from the dead alone, and never judged by another machine's clock."""

import os

import pytest
from spooled import FakeStation, claims_of

from kernelsearch.workers.spool.claims import LEASE_S, beat, beat_file, introduce, leave, stranger, workers
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Served

NAME = "0123456789abcdef" * 2


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def lives(folder, worker, lease_s=10.0):
    introduce(
        folder, Served(worker=worker, environment=FakeStation.environment, hardware=FakeStation.hardware, lease_s=lease_s, beat_s=1.0)
    )
    beat(folder, worker, 1)


def test_of_two_workers_one_takes_a_request(folder):
    first, second = claims_of(folder, "first"), claims_of(folder, "second")
    assert first.free(NAME, 0) and second.free(NAME, 0)
    assert first.take(NAME, 0) and not second.take(NAME, 0)
    assert second.all() == {NAME: 1} and second.read(NAME, 1).worker == "first"


def test_a_dead_worker_is_relieved_after_its_own_lease_and_not_before(folder, clock):
    lives(folder, "first", lease_s=10.0)
    assert claims_of(folder, "first").take(NAME, 0)
    observer = claims_of(folder, "second", clock)
    for age in (0, 5, 10):  # however long it may have been dead before anybody looked
        clock.now = age
        assert not observer.free(NAME, 1)
    clock.now = 10.1
    assert observer.free(NAME, 1) and observer.take(NAME, 1)
    assert observer.all() == {NAME: 2}


def test_a_beat_keeps_a_claim_whatever_the_clocks_of_the_machines_say(folder, clock):
    lives(folder, "first", lease_s=10.0)
    claims_of(folder, "first").take(NAME, 0)
    observer = claims_of(folder, "second", clock)
    for count in range(2, 30):
        clock.now += 9.0
        beat(folder, "first", count)
        os.utime(beat_file(folder, "first"), (0, 0))  # a clock that stands still, decades ago
        assert not observer.free(NAME, 1)
    clock.now += 10.1
    assert observer.free(NAME, 1)


def test_an_observer_that_was_slow_cannot_undo_a_claim_made_meanwhile(folder, clock):
    lives(folder, "dead")
    claims_of(folder, "dead").take(NAME, 0)
    quick, slow = claims_of(folder, "quick", clock), claims_of(folder, "slow", clock)
    assert not quick.free(NAME, 1) and not slow.free(NAME, 1)
    clock.now = 11.0
    assert quick.free(NAME, 1) and slow.free(NAME, 1)
    assert quick.take(NAME, 1) and not slow.take(NAME, 1)
    assert slow.all() == {NAME: 2} and slow.read(NAME, 2).worker == "quick"


def test_what_is_given_back_is_free_at_once_with_what_befell_the_worker(folder):
    first, second = claims_of(folder, "first"), claims_of(folder, "second")
    lives(folder, "first")
    first.take(NAME, 0)
    first.give_back(NAME, 1, "DeviceLost: the GPU fell off the bus")
    assert second.free(NAME, 1) and second.take(NAME, 1)
    second.give_back(NAME, 2)
    assert second.failures(NAME, 2) == ["first: DeviceLost: the GPU fell off the bus"]
    second.clear(NAME, 2)
    assert second.all() == {} and folder.paths("claims") == []


def test_a_worker_of_which_nothing_is_known_has_the_usual_lease(folder, clock):
    claims_of(folder, "unknown").take(NAME, 0)
    observer = claims_of(folder, "second", clock)
    assert not observer.free(NAME, 1)
    clock.now = LEASE_S
    assert not observer.free(NAME, 1)
    clock.now = LEASE_S + 1
    assert observer.free(NAME, 1)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_torn_claim_is_relieved_too(folder, clock, content):
    (folder.path / "claims" / f"{NAME}.1").write_bytes(content)
    observer = claims_of(folder, "second", clock)
    assert not observer.free(NAME, 1)
    clock.now = LEASE_S + 1
    assert observer.free(NAME, 1) and observer.take(NAME, 1)


def test_a_name_in_a_claim_leads_nowhere_out_of_the_folder(folder, clock, tmp_path):
    elsewhere = claims_of(folder, "../../elsewhere")
    assert elsewhere.take(NAME, 0)
    observer = claims_of(folder, "second", clock)
    assert observer.read(NAME, 1) is None
    for strange in (f"{NAME}.0", f"{NAME}.x", f"{NAME}.-1", f"{NAME}.9999999", "..", "x.1"):
        if strange != "..":
            (folder.path / "claims" / strange).touch()
    assert observer.all() == {NAME: 1}


def test_workers_come_and_go_and_strangers_are_told_apart(folder):
    lives(folder, "one")
    lives(folder, "two")
    file = folder.file("workers", "two")
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":7', 1))
    (folder.path / "workers" / "..x.json").touch()
    folder.file("workers", "torn").write_bytes(b"{")
    assert workers(folder) == ["one", "torn", "two"]
    assert stranger(folder, "one") == stranger(folder, "torn") == ""
    assert "format 7" in stranger(folder, "two")
    leave(folder, "one")
    assert workers(folder) == ["torn", "two"]
