"""What a box with the emulated device left behind, when it was not our runner that wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kernelsearch.device.base import Call, Job, Mode, Tensor
from kernelsearch.device.emulated_job import Delivery
from kernelsearch.device.emulated_outcome import outcome
from kernelsearch.model import Build, DType, Verdict
from kernelsearch.sandbox.base import BoxResult

ENDED = BoxResult(returncode=0, stdout="", stderr="", seconds=1.0, timed_out=False)
LAUNCH = {"kernel": "k", "grid": [4, 1, 1], "block": [32, 1, 1], "shared": 0, "counters": {"warp_blocks": 7.0}}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    artifact = tmp_path / "artifact"
    artifact.write_bytes(b"")
    call = Call(label="one", args=(Tensor(name="y", dtype=DType.F32, count=2, written=True),), values={})
    return Job(build=Build(ok=True, toolchain="t", artifact=str(artifact)), entry="solve", plan=None, calls=(call,), mode=Mode.VERIFY)


@pytest.fixture
def delivery(job: Job, tmp_path: Path) -> Delivery:
    return Delivery(job, tmp_path / "job", orders=(0,), repeat_threads=1, sampled_blocks=0)


def leave(delivery: Delivery, report: Any, output: bytes | None = bytes(8)) -> None:
    text = report if isinstance(report, str) else json.dumps({"calls": report, "stopped": None})
    (delivery.outputs / "result.json").write_text(text)
    if output is not None:
        (delivery.outputs / "0-y.bin").write_bytes(output)


def run(**changes: Any) -> dict[str, Any]:
    return {"error": None, "launches": [LAUNCH], "changed": None, **changes}


def test_a_whole_report_gives_outputs(job: Job, delivery: Delivery):
    leave(delivery, [{"label": "one", "runs": [run()]}], b"12345678")
    found = outcome(job, delivery, ENDED)
    assert (found.failure, found.outputs) == (None, ({"y": b"12345678"},))


@pytest.mark.parametrize(
    "report",
    ["", "no json", "[]", '{"calls": 7}', [], [{"label": "two", "runs": [run()]}], [{"label": "one", "runs": []}]],
    ids=["empty", "text", "list", "number", "no calls", "another call", "no runs"],
)
def test_a_report_that_is_not_one_is_a_crash(job: Job, delivery: Delivery, report: Any):
    leave(delivery, report)
    assert outcome(job, delivery, ENDED).failure is Verdict.CRASHED


@pytest.mark.parametrize("output", [None, b"", bytes(7), bytes(9)])
def test_an_output_of_another_size_is_a_crash(job: Job, delivery: Delivery, output: bytes | None):
    leave(delivery, [{"label": "one", "runs": [run()]}], output)
    assert outcome(job, delivery, ENDED).failure is Verdict.CRASHED


def test_a_link_in_place_of_an_output_is_not_followed(job: Job, delivery: Delivery, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"8 bytes!")
    leave(delivery, [{"label": "one", "runs": [run()]}], None)
    (delivery.outputs / "0-y.bin").symlink_to(secret)
    assert outcome(job, delivery, ENDED).failure is Verdict.CRASHED


@pytest.mark.parametrize("changes", [{"counters": {"x": -1.0}}, {"counters": {"x": 1e300}}, {"grid": [0, 1, 1]}, {"shared": -4}])
def test_counters_that_cannot_be_true_are_cheating(job: Job, delivery: Delivery, changes: dict[str, Any]):
    leave(delivery, [{"label": "one", "runs": [run(launches=[{**LAUNCH, **changes}])]}])
    assert outcome(job, delivery, ENDED).failure is Verdict.CHEATED


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("readonly", Verdict.CHEATED), ("unsupported", Verdict.UNSUPPORTED), ("deadlock", Verdict.CRASHED), ("nonsense", Verdict.CRASHED)],
)
def test_errors_of_the_emulation_become_verdicts_with_their_line(job: Job, delivery: Delivery, kind: str, verdict: Verdict):
    leave(delivery, [{"label": "one", "runs": [run(error={"kind": kind, "message": "it happened", "line": 12})]}])
    found = outcome(job, delivery, ENDED)
    assert (found.failure, found.detail) == (verdict, "one: it happened (line 12)")


@pytest.mark.parametrize(("returncode", "words"), [(-11, "SIGSEGV"), (-40, "signal 40"), (3, "exit code 3: last words")])
def test_how_the_process_died_is_told(job: Job, delivery: Delivery, returncode: int, words: str):
    end = BoxResult(returncode=returncode, stdout="", stderr="first\nlast words", seconds=1.0, timed_out=False)
    found = outcome(job, delivery, end)
    assert found.failure is Verdict.CRASHED
    assert words in found.detail
