"""Workers that die at any moment, in processes of their own: every request has one answer, and it never changes."""

import os
import random
import signal
import time

import pytest
from spooled import kill, nursery, post, sign_of, time_of, work

from kernelsearch import digest
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Answer, unpack
from kernelsearch.workers.spool.site import Pace, SpoolSite

KILLED = 50


def contents(folder: Folder) -> dict[str, bytes]:
    return {name: folder.file("results", name).read_bytes() for name in folder.known("results")}


def until(condition):
    while not condition():
        time.sleep(0.002)


def test_every_request_is_answered_once_by_workers_killed_at_random_moments(tmp_path):
    """With new requests all the time, so that there is always one at which to die: by turns after its start, and in a judgement."""
    chance, said = random.Random(5), []
    folder, futures, seen = Folder(tmp_path / "spool"), [], {}
    site = SpoolSite(folder.path, secret="s", metrics=None, say=said.append, pace=Pace(poll_s=0.01))
    with nursery(folder.path) as start:
        for turn in range(KILLED):
            while len(futures) - len(folder.known("results")) < 4:
                futures.append(in_thread(site._ask, work(len(futures))))
                time.sleep(0.001)
            pid = start("0.03 0.003")
            if turn % 2:
                until(sign_of(folder.path, pid).exists)
            time.sleep(chance.uniform(0.0, 0.06))
            kill(pid)
            for name, data in contents(folder).items():
                assert seen.setdefault(name, data) == data
        start("0.03 0.003")
        answers = [future.result(timeout=60) for future in futures]
    site.close()
    for number, answer in enumerate(answers):
        assert answer.evaluation.candidate == digest.candidate(work(number).candidate)
        assert answer.evaluation.time_us == pytest.approx(time_of(work(number).candidate))
    found = contents(folder)
    assert {name: found[name] for name in seen} == seen
    assert sorted(unpack(Answer, data).request for data in found.values()) == sorted(found)
    assert len(found) == len(answers) >= 4 and not folder.known("requests") and not folder.paths("aside")
    assert not [text for text in said if "no worker is seen" not in text]


def test_a_worker_that_was_only_paused_comes_late_and_changes_nothing(tmp_path):
    folder = Folder(tmp_path / "spool")
    name = post(folder, 0)
    with nursery(folder.path) as start:
        paused = start("0.05 0.2")
        until(sign_of(folder.path, paused).exists)
        os.kill(paused, signal.SIGSTOP)
        start("0.05 0.0")
        until(lambda: folder.known("results"))
        first = contents(folder)
        os.kill(paused, signal.SIGCONT)
        until(lambda: folder.paths("late"))
    assert contents(folder) == first and list(first) == [name]
    assert [path.name.partition(".")[0] for path in folder.paths("late")] == [name]
