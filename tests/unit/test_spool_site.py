"""The searching side of a spool: it asks once, knows an answer when it is whole, and says what a person should know."""

import errno
import os
import time
from contextlib import closing
from dataclasses import replace

import pytest
from nodes import ENVIRONMENT, passing
from spooled import TASK, FakeStation, claims_of, served, time_of, work

from kernelsearch import digest
from kernelsearch.errors import BaselineFailed, DeviceLost, UsageError
from kernelsearch.model import RunSpec
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.sites import open_site
from kernelsearch.workers.spool import site as module
from kernelsearch.workers.spool.claims import beat, introduce
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Served
from kernelsearch.workers.spool.letters import wanted as read
from kernelsearch.workers.spool.site import Pace, SpoolSite


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(module, "_ALONE_S", 1e9)  # however slow this machine is
    return []


@pytest.fixture
def site(folder, said):
    with closing(opened(folder, said)) as site:
        yield site


def opened(folder, said) -> SpoolSite:
    return SpoolSite(folder.path, secret="s", metrics=None, say=said.append, pace=Pace(poll_s=0.005, others_s=0.02))


def until(condition):
    while not condition():
        time.sleep(0.002)


def begun(site, folder):
    """`site` after its first answer."""
    done = in_thread(site.begin, TASK, lambda: False)
    until(lambda: folder.known("requests"))
    served(folder.path)
    done.result(timeout=30)
    return site


def asked(site, folder, number):
    future = in_thread(site.judge, work(number))
    until(lambda: folder.known("requests") - folder.known("results"))
    return future


def test_the_first_answer_tells_which_hardware_there_is(site, folder):
    with pytest.raises(ValueError, match="when the site has begun"):
        _ = site.hardware
    begun(site, folder)
    assert site.hardware == FakeStation.hardware and site.environment.device == ENVIRONMENT.device
    assert site.judge(replace(work(0), candidate=digest.baseline(TASK))).passed  # the same question: nobody is needed
    assert len(folder.known("results")) == 1 and not folder.known("requests")


def test_waiting_for_a_first_answer_can_be_given_up(site, folder):
    with pytest.raises(UsageError, match="stopped before anything was answered: is `kernelsearch worker"):
        site.begin(TASK, lambda: True)


def test_later_requests_ask_for_times_of_the_same_kind(site, folder):
    begun(site, folder)
    future = asked(site, folder, 3)
    (name,) = folder.known("requests")
    request = read(name, folder.file("requests", name).read_bytes())
    assert (request.times, request.secret, request.turn) == ("modelled", "s", 0)
    served(folder.path)
    assert future.result(timeout=30).time_us == pytest.approx(time_of(work(3).candidate))


def test_an_answer_of_an_earlier_session_is_found_again(site, folder, said):
    begun(site, folder)
    future = asked(site, folder, 1)
    served(folder.path)
    first = future.result(timeout=30)
    with closing(opened(folder, said)) as later:
        later.begin(TASK, lambda: False)
        assert later.judge(work(1)) == first
    assert said == []


def test_a_failure_is_raised_and_the_question_asked_anew_in_a_later_session(site, folder, said):
    begun(site, folder)
    future = asked(site, folder, 1)
    served(folder.path, FakeStation(errors={work(1).candidate.source: UsageError("sizes do not fit")}))
    with pytest.raises(UsageError, match=r"sizes do not fit \(told by the worker"):
        future.result(timeout=30)
    with closing(opened(folder, said)) as later:
        later.begin(TASK, lambda: False)
        again = asked(later, folder, 1)
        (name,) = folder.known("requests")
        assert read(name, folder.file("requests", name).read_bytes()).turn == 1
        served(folder.path)
        assert again.result(timeout=30).passed


def test_a_baseline_that_fails_is_told_as_such(site, folder):
    done = in_thread(site.begin, TASK, lambda: False)
    until(lambda: folder.known("requests"))
    served(folder.path, FakeStation(errors={TASK.baseline: BaselineFailed("it does not build")}))
    with pytest.raises(BaselineFailed, match="does not build"):
        done.result(timeout=30)


def test_what_befell_a_worker_is_said_while_the_request_waits_for_another(site, folder, said):
    begun(site, folder)
    future = asked(site, folder, 1)
    with pytest.raises(DeviceLost):
        served(folder.path, FakeStation(errors={work(1).candidate.source: DeviceLost("it fell off the bus")}))
    until(lambda: any("it fell off the bus; what it had in hand is free for others" in text for text in said))
    served(folder.path)
    assert future.result(timeout=30).passed
    assert len([text for text in said if "fell off" in text]) == 1


def test_without_a_worker_it_is_said_how_to_start_one(site, folder, said, monkeypatch):
    monkeypatch.setattr(module, "_ALONE_S", 0.05)
    future = in_thread(site.judge, work(1))
    until(lambda: said)
    assert said == [f"no worker is seen at {folder.path}; where the GPU is: kernelsearch worker {folder.path}"]
    served(folder.path)
    assert future.result(timeout=30).passed


def test_a_worker_of_another_version_is_said(site, folder, said):
    strange = Served(worker="w", environment=ENVIRONMENT, hardware=FakeStation.hardware, lease_s=1.0, beat_s=0.1)
    introduce(folder, strange)
    beat(folder, "w", 1)
    file = folder.file("workers", "w")
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":2', 1))
    in_thread(site.judge, work(1))
    until(lambda: said)
    assert "the worker w: " in said[0] and "install the same version" in said[0]


def test_a_torn_answer_is_set_aside_and_judged_again(site, folder, said):
    begun(site, folder)
    site._folder.settled_s = 0.02
    future = asked(site, folder, 1)
    (name,) = folder.known("requests")
    folder.file("results", name).write_bytes(b'{"software":"kernelse')
    until(lambda: said)
    assert "it is torn" in said[0] and str(folder.path / "aside") in said[0]
    served(folder.path)
    assert future.result(timeout=30).passed


def test_an_answer_under_the_name_of_another_is_not_taken(site, folder, said):
    begun(site, folder)
    site._folder.settled_s = 0.02
    (first,) = folder.known("results")
    future = asked(site, folder, 1)
    (name,) = folder.known("requests")
    folder.file("results", name).write_bytes(folder.file("results", first).read_bytes())
    until(lambda: said)
    assert "it answers another request" in said[0] and not future.done()


def test_what_nobody_has_taken_up_is_withdrawn_at_the_end(folder, said):
    site = opened(folder, said)
    asked = [in_thread(site.judge, work(number)) for number in (1, 2)]
    until(lambda: len(folder.known("requests")) == 2)
    taken = sorted(folder.known("requests"))[0]
    claims_of(folder, "w").take(taken, 0)
    site.close()
    assert folder.known("requests") == {taken}
    for future in asked:
        with pytest.raises(UsageError, match="the run ended"):
            future.result(timeout=30)


def test_a_full_disk_is_said_with_the_file(site, folder, monkeypatch):
    def full(draft, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(UsageError, match=r"cannot write .*requests/.*\.json: No space left on device. Mend that, then resume the run"):
        site.judge(work(1))


def test_what_was_compiled_to_the_same_code_shares_an_evaluation(site, folder):
    begun(site, folder)

    class Twins(FakeStation):
        """Whose toolchain makes the same of everything, and which knows one that the search does not."""

        def judge(self, wanted):
            evaluation = passing(5.0, "another")
            return replace(evaluation, build=replace(evaluation.build, code="code"))

    known = {}
    for number in (1, 2):
        future = in_thread(site.judge, work(number), known.get)
        until(lambda: folder.known("requests") - folder.known("results"))
        served(folder.path, Twins())
        evaluation = future.result(timeout=30)
        known.setdefault("code", evaluation)
        assert evaluation.candidate == digest.candidate(work(1).candidate)


def test_the_device_is_the_workers(tmp_path):
    for fields in ({"device": "cuda"}, {"hardware": "h100"}, {"unsafe": True}):
        with pytest.raises(UsageError, match="the device is that of the worker"):
            open_site(RunSpec(task="", task_name="", worker=f"spool:{tmp_path}", **fields), print)
    for worker in ("elsewhere", "spool:", "ray:"):
        with pytest.raises(UsageError, match=r"unknown worker .*; local, .* or spool:DIR"):
            open_site(RunSpec(task="", task_name="", worker=worker), print)
