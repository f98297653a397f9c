"""Workers that die at any moment, in processes of their own: every request has one answer, and it never changes."""

import random
import time

import pytest
from spooled import kill, nursery, time_of, work

from kernelsearch import digest
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Answer, unpack
from kernelsearch.workers.spool.site import Pace, SpoolSite

KILLED = 50


def contents(folder: Folder) -> dict[str, bytes]:
    return {name: folder.file("results", name).read_bytes() for name in folder.known("results")}


def test_every_request_is_answered_once_by_workers_killed_at_random_moments(tmp_path):
    """With new requests all the time, so that there is always one at which to die."""
    chance, said = random.Random(5), []
    site = SpoolSite(tmp_path, secret="s", metrics=None, say=said.append, pace=Pace(poll_s=0.01))
    folder, futures, seen = Folder(tmp_path), [], {}
    with nursery(tmp_path) as start:
        for _ in range(KILLED):
            while len(futures) - len(folder.known("results")) < 4:
                futures.append(in_thread(site._ask, work(len(futures))))
                time.sleep(0.001)
            pid = start("0.03 0.003")
            time.sleep(chance.uniform(0.0, 0.08))
            kill(pid)
            for name, data in contents(folder).items():
                assert seen.setdefault(name, data) == data
        start("0.03 0.003")
        answers = [future.result(timeout=60) for future in futures]
    site.close()
    assert len(answers) > 10 and len({answer.worker for answer in answers}) > 5
    for number, answer in enumerate(answers):
        assert answer.evaluation.candidate == digest.candidate(work(number).candidate)
        assert answer.evaluation.time_us == pytest.approx(time_of(work(number).candidate))
    found = contents(folder)
    assert {name: found[name] for name in seen} == seen
    assert sorted(unpack(Answer, data).request for data in found.values()) == sorted(found)
    assert len(found) == len(answers) and not folder.known("requests") and not folder.paths("aside") and not said
