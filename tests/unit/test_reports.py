"""The profiler's own files: how many are kept, under which names, and their way from where they were made into the folder of a run."""

import base64
import dataclasses
import os

import pytest
from nodes import candidate, passing
from spooled import FakeStation, post, served, work

from kernelsearch import digest
from kernelsearch.model import Attempt, HotLine, Node, Outcome
from kernelsearch.propose.hot import hot
from kernelsearch.report.node import NodeViews
from kernelsearch.store.reports import Reports, take_over
from kernelsearch.workers.spool.folder import Folder
from kernelsearch.workers.spool.letters import Answer, report_of, unpack
from kernelsearch.workers.spool.site import Pace, SpoolSite
from runs import profile

HOT = (
    HotLine(line=1, opcode="LDG.E", share=0.7, stall="long_sb"),
    HotLine(line=0, opcode="FFMA", share=0.2, stall=""),
    HotLine(line=99, opcode="EXIT", share=0.01, stall="drain"),
)


def judged(report: bytes | None = b"report"):
    name = "" if report is None else digest.of_bytes(report)
    return dataclasses.replace(passing(1.0, "n"), profile=dataclasses.replace(profile(4.0, 1.0), hot=HOT, report=name))


def attempt(outcome=Outcome.EVALUATED, **options) -> Attempt:
    return Attempt(proposal=None, outcome=outcome, candidate=candidate(0), evaluation=judged(**options))


def test_the_first_and_the_newest_stay(tmp_path):
    reports = Reports(tmp_path / "new" / "reports", most=3)
    names = []
    for number in range(6):
        names.append(reports.put(str(number).encode()))
        os.utime(reports.file(names[-1]), ns=(number, number))
    assert [reports.get(name) for name in names] == [b"0", None, None, None, b"4", b"5"]
    assert reports.put(b"4") == names[4] and reports.get(names[0]) == b"0"


@pytest.mark.parametrize("name", ["", "..", "../../secret", "0" * 31, "0" * 32])
def test_only_names_of_reports_are_opened(tmp_path, name):
    (tmp_path / "secret.ncu-rep").write_bytes(b"secret")
    assert Reports(tmp_path / "a" / "b").get(name) is None


def test_a_run_takes_over_what_its_nodes_tell_of(tmp_path):
    there, ours = Reports(tmp_path / "there"), Reports(tmp_path / "ours")
    name = there.put(b"report")
    for one in (attempt(report=None), attempt(report=b"another"), attempt(Outcome.DUPLICATE)):
        assert take_over(one, there, ours) == ""
        assert not ours.folder.exists()
    assert take_over(attempt(), None, ours) == "" and not ours.folder.exists()
    assert take_over(attempt(), there, ours) == "" and ours.get(name) == b"report"
    (tmp_path / "file").touch()
    assert "was not kept" in take_over(attempt(), there, Reports(tmp_path / "file" / "x"))


def test_a_report_comes_through_a_spool_with_its_answer(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    name = post(folder, 0)
    station = FakeStation()
    monkeypatch.setattr(station, "judge", lambda wanted: judged())
    station.reports[digest.of_bytes(b"report")] = b"report"
    served(tmp_path, station)
    answer = unpack(Answer, folder.file("results", name).read_bytes())
    assert report_of(answer) == b"report"
    for other in (base64.b64encode(b"forged").decode(), "no base64", ""):
        assert report_of(dataclasses.replace(answer, report=other)) is None
    site = SpoolSite(tmp_path, secret="told", metrics=None, say=lambda text: None, pace=Pace(poll_s=0.005))
    try:
        evaluation = site.judge(work(0))
        assert site.reports.get(evaluation.profile.report) == b"report"
    finally:
        site.close()


def test_a_model_is_told_of_hot_lines_by_what_stands_there():
    node = Node(number=0, attempt=attempt())
    source = node.candidate.source.splitlines()[0].strip()
    first, second = hot(node)
    assert first == f"hot: 70 % of the samples at line 1, `{source}` (LDG.E); warps there wait for data from global or local memory"
    assert second == "hot: 20 % of the samples at a place that has no line in this source (FFMA)"
    assert hot(Node(number=0, attempt=dataclasses.replace(attempt(), evaluation=passing(1.0, "n")))) == []


def test_a_person_sees_hot_lines_with_their_code():
    node = Node(number=0, attempt=attempt())
    view = NodeViews([node], node, [node], frozenset({0})).view(node)
    assert [(row.name, row.cells[0]) for row in view.hot] == [("line 1", "70 %"), ("elsewhere", "20 %"), ("line 99", "1 %")]
    assert view.hot[0].note == node.candidate.source.splitlines()[0].strip() and view.hot[2].note == ""
    assert view.report == f"profiles/{digest.of_bytes(b'report')}.ncu-rep"
