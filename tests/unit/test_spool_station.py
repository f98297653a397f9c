"""A lab that serves many searches: each request brings its own secret and counters, and nothing of one is left for another."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from nodes import ENVIRONMENT, passing
from spooled import FakeStation, wanted, work

from kernelsearch import catalog, digest
from kernelsearch.evaluate import Incumbent
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.spool import station as module
from kernelsearch.workers.spool.station import LabStation


@dataclass(frozen=True)
class Lab:
    """What of a lab a request may change, and what not."""

    scratch: Path
    secret: str = "the worker's own"
    metric_set: object = None
    energy: bool = False
    sandbox: str = "walls"
    environment = ENVIRONMENT
    hardware = FakeStation.hardware


@pytest.fixture
def judged(monkeypatch):
    """Each call, as (work, lab); a candidate whose source ends in an odd figure is compiled to the code of all such."""
    calls = []

    def judge(work, lab, known, contest):
        code = "odd" if work.candidate.source[-1] in "13579" else ""
        if (twin := known(code)) is not None:
            return twin
        calls.append((work, lab))
        assert lab.scratch.is_dir()
        (lab.scratch / "inputs").touch()
        evaluation = passing(5.0, digest.candidate(work.candidate))
        return replace(evaluation, build=replace(evaluation.build, code=code))

    monkeypatch.setattr(module, "judge", judge)
    return calls


def test_a_request_brings_secret_and_counters_and_leaves_the_walls(judged, tmp_path):
    station = LabStation(Lab(scratch=tmp_path))
    incumbent = Incumbent(candidate=work(2).candidate, measurement=passing(3.0).measurement)
    metrics = catalog.metric_set("quick")
    station.judge(wanted(4, secret="x", metrics=metrics, incumbent=incumbent, trial=7))
    ((asked, lab),) = judged
    assert (lab.secret, lab.metric_set, lab.sandbox) == ("x", metrics, "walls")
    assert (asked.candidate, asked.incumbent, asked.trial) == (work(4).candidate, incumbent, 7)


def test_files_of_a_search_stay_while_it_goes_on_and_go_when_others_came(judged, tmp_path):
    station = LabStation(Lab(scratch=tmp_path))
    for secret in ("a", "a", "b", "a", "c", "d"):
        station.judge(wanted(0, secret=secret))
    folders = [lab.scratch for _, lab in judged]
    assert folders[0] == folders[1] == folders[3] and len(set(folders)) == 4
    assert set(tmp_path.iterdir()) == {folders[4], folders[5]}
    station.judge(wanted(0, secret="a"))
    assert judged[-1][1].scratch not in folders  # what is remembered of the old folder is not taken for that of the new one


def test_a_folder_in_use_is_not_removed(monkeypatch, tmp_path):
    go, began = threading.Event(), threading.Event()

    def judge(work, lab, known, contest):
        if lab.secret == "slow":
            began.set()
            go.wait(30)
            assert lab.scratch.is_dir()
        return passing(5.0)

    monkeypatch.setattr(module, "judge", judge)
    station = LabStation(Lab(scratch=tmp_path))
    slow = in_thread(station.judge, wanted(0, secret="slow"))
    began.wait(30)
    for secret in "abcd":
        station.judge(wanted(0, secret=secret))
    go.set()
    assert slow.result(timeout=30).passed
    station.judge(wanted(0, secret="e"))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_twin_in_machine_code_is_known_within_its_search_alone(judged, tmp_path):
    station = LabStation(Lab(scratch=tmp_path))
    first = station.judge(wanted(1))
    assert station.judge(wanted(3)) is first and len(judged) == 1
    assert station.judge(wanted(3, secret="another")) is not first and len(judged) == 2
    assert station.judge(wanted(4)).candidate != first.candidate
