"""The storm's own parts: who comes when, sources that get as far as a box, and what counts as a difference."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from nodes import ENVIRONMENT

from kernelsearch import catalog, digest, guard
from kernelsearch.model import Build, Candidate, CaseTiming, Evaluation, Interval, Measurement, Origin, TimeKind, Verdict

FILE = Path(__file__).parents[2] / "benchmarks" / "storm.py"


@pytest.fixture(scope="module")
def storm():
    spec = importlib.util.spec_from_file_location("storm", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["storm"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["storm"]


def test_a_third_is_bad_every_kind_as_often_and_honest_ones_stand_at_both_ends(storm) -> None:
    bad = [kind for kind in storm.KINDS if kind != storm.HONEST]
    order = storm.order(300, bad, 1)
    assert len(order) == 300 and order == storm.order(300, bad, 1) != storm.order(300, bad, 2)
    assert set(order[:3] + order[-3:]) == {storm.HONEST}
    counts = Counter(order)
    assert counts.pop(storm.HONEST) == 200
    assert counts.keys() == set(bad) and max(counts.values()) - min(counts.values()) <= 1


def test_every_source_is_let_through_to_a_box_and_does_its_kinds_work(storm) -> None:
    task = catalog.task("core/row_softmax")
    seen = set()
    for number, (kind, what) in enumerate(storm.KINDS.items()):
        source = storm.source(task, kind, "salt", number, 1 << 30)
        findings = guard.check(Candidate(task=digest.task(task), source=source, origin=Origin(proposer="storm")), task)
        assert not [finding for finding in findings if finding.forbidden], kind
        assert task.baseline in source and what.before in source
        assert "FILL" not in source and source not in seen
        seen.add(source)


def evaluation(speedup: float, low: float, high: float, kind: TimeKind = TimeKind.MEASURED, us: float = 10.0) -> Evaluation:
    timing = CaseTiming(case="a", samples_us=(us,))
    interval = Interval(low=low, high=high, confidence=0.99) if kind is TimeKind.MEASURED else None
    measurement = Measurement(kind=kind, timings=(timing,), speedup=speedup if interval else None, interval=interval)
    build = Build(ok=True, toolchain="t", artifact="k.so")
    return Evaluation(candidate="c", verdict=Verdict.PASSED, build=build, measurement=measurement, environment=ENVIRONMENT)


def compared(storm, *found: Evaluation):
    lines = [storm.Line(number=n, kind=storm.HONEST, evaluation=one, raised="", seconds=1.0) for n, one in enumerate(found)]
    _, same, figures = storm.compared(lines)
    return same, figures.get("ratio")


def test_the_last_is_compared_with_the_first_by_their_pairs_with_the_baseline(storm) -> None:
    first = evaluation(1.0, 0.995, 1.005)
    assert compared(storm, first, evaluation(1.5, 1.4, 1.6), evaluation(1.005, 1.0, 1.01)) == (True, 1.005)
    assert compared(storm, first, evaluation(0.95, 0.945, 0.955)) == (False, 0.95)
    assert compared(storm, first, evaluation(1.05, 1.045, 1.055)) == (False, 1.05)
    assert compared(storm, first, evaluation(0.95, 0.90, 1.0)) == (True, 0.95)  # not known well enough to be one
    assert compared(storm, first) == (False, None)
    modelled = [evaluation(1.0, 1.0, 1.0, TimeKind.MODELLED, us) for us in (10.0, 10.0, 12.0)]
    assert compared(storm, *modelled[:2]) == (True, 1.0)
    assert not compared(storm, *modelled)[0]


def test_a_verdict_must_fit_the_kind(storm) -> None:
    passed = evaluation(1.0, 0.995, 1.005)
    hung = storm.Line(number=0, kind="hangs on the host", evaluation=passed, raised="", seconds=1.0)
    lost = storm.Line(number=1, kind=storm.HONEST, evaluation=None, raised="DeviceLost: gone", seconds=1.0)
    fine = storm.Line(number=2, kind=storm.HONEST, evaluation=passed, raised="", seconds=1.0)
    assert [(line.right, line.got) for line in (hung, lost, fine)] == [(False, "passed"), (False, "raised"), (True, "passed")]
    rows = storm.table([hung, lost, fine]).splitlines()
    assert rows[1].split()[:3] == ["honest", "2", "1"] and rows[2].startswith("hangs on the host")


def test_what_is_left_is_found(storm, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", str(tmp_path)], stdin=-1, stdout=-1)
    try:
        child.stdout.readline()
        assert [line.split()[0] for line in storm.processes(tmp_path)] == [str(child.pid)]
    finally:
        child.communicate()
    assert storm.processes(tmp_path) == []
    (tmp_path / "box-1").mkdir()
    (tmp_path / "inputs").mkdir()
    assert storm.folders(tmp_path) == ["box-1"]
    assert storm.folders(tmp_path / "absent") == []
