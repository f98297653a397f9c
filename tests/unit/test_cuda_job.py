"""Both sides of the box's border: a job as files and numbers, and a report that is believed no further than its type."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kernelsearch.device.base import Call, Job, Mode, Scalar, Tensor, TimingPlan
from kernelsearch.device.cuda_job import Delivery, PlanUnusable
from kernelsearch.model import Build, DType, Expression, Launch, LaunchPlan, Scratch, Verdict

E = Expression
ONE = E("1")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return tmp_path / "in", tmp_path / "out"


@pytest.fixture
def call(tmp_path: Path) -> Call:
    (tmp_path / "x.bin").write_bytes(bytes(range(12)))
    return Call(
        label="case/normal",
        args=(
            Tensor(name="x", dtype=DType.F32, count=3, file=tmp_path / "x.bin"),
            Tensor(name="in", dtype=DType.F32, count=3, file=tmp_path / "x.bin"),
            Tensor(name="y", dtype=DType.F16, count=3, written=True),
            Scalar(name="n", dtype=DType.I32, value=3),
        ),
        values={"n": 3, "rows": 70_000},
    )


def job(tmp_path: Path, call: Call, *, plan: LaunchPlan | None = None, mode: Mode = Mode.VERIFY) -> Job:
    artifact = tmp_path / "artifact"
    artifact.write_bytes(b"machine code")
    build = Build(ok=True, toolchain="test", artifact=str(artifact), plan=plan)
    timing = TimingPlan(max_samples=4)
    return Job(build=build, entry=None if plan else "solve", plan=plan, calls=(call,), mode=mode, timing=timing)


def launch(*args: str, grid: str = "1", block: str = "1", shared: str = "0") -> LaunchPlan:
    one = Launch(kernel="k", grid=(E(grid), ONE, ONE), block=(E(block), ONE, ONE), shared=E(shared), args=args)
    return LaunchPlan(launches=(one,), scratch=(Scratch(name="t", dtype=DType.F64, extent=E("n * 2")),))


def report(outputs: Path, **changes) -> None:
    content = {"failure": None, "detail": "", "calls": [{"label": "case/normal", "samples_us": []}], "notes": {}}
    (outputs / "result.json").write_text(json.dumps(content | changes))


def test_what_the_box_gets(tmp_path: Path, folders, call: Call) -> None:
    inputs, outputs = folders
    delivery = Delivery(
        job(tmp_path, call, plan=launch("x", "in", "y", "t", "n", "n + 1", "rows << 20", "n / 2", grid="cdiv(n, 2)")), *folders
    )
    sent = json.loads((inputs / "job.json").read_text())
    (spec,) = sent["calls"]
    assert sent["mode"] == "verify" and sent["entry"] is None
    assert spec["scratch"] == [48]
    assert spec["launches"] == [
        {
            "kernel": "k",
            "grid": [2, 1, 1],
            "block": [1, 1, 1],
            "shared": 0,
            "args": [
                {"arg": 0},
                {"arg": 1},
                {"arg": 2},
                {"scratch": 0},
                {"arg": 3},
                {"dtype": "i32", "value": 4},
                {"dtype": "i64", "value": 70_000 << 20},
                {"dtype": "f32", "value": 1.5},
            ],
        }
    ]
    assert (inputs / spec["args"][0]["input"]).read_bytes() == bytes(range(12))
    assert spec["args"][0]["input"] == spec["args"][1]["input"]  # one file, sent once
    assert (outputs / spec["args"][2]["output"]).stat().st_size == 6
    delivery.close()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (launch("absent"), "unknown name"),
        (launch("n", grid="n - 3"), "cannot be launched"),
        (launch("n", grid="n / 2"), "not a whole number"),
        (launch("n", block="0 - 1"), "cannot be launched"),
        (launch("n", shared="0 - 4"), "shared memory"),
        (LaunchPlan(launches=(), scratch=(Scratch(name="t", dtype=DType.F32, extent=E("n - 3")),)), "empty"),
    ],
)
def test_a_plan_that_makes_no_sense_is_the_candidates_fault_in_words(
    tmp_path: Path, folders, call: Call, plan: LaunchPlan, words: str
) -> None:
    with pytest.raises(PlanUnusable, match=words):
        Delivery(job(tmp_path, call, plan=plan), *folders)


def test_outputs_come_back_and_outlive_their_files(tmp_path: Path, folders, call: Call) -> None:
    _, outputs = folders
    delivery = Delivery(job(tmp_path, call), *folders)
    with (outputs / "0-2.bin").open("r+b") as file:
        file.write(b"result")
    report(outputs, notes={"pair": "1"})
    result = delivery.result(seconds=1.0)
    delivery.close()
    for file in outputs.iterdir():
        file.unlink()
    assert result.failure is None
    assert {name: bytes(view) for name, view in result.calls[0].outputs.items()} == {"y": b"result"}
    assert result.conditions == {"pair": "1"}


@pytest.mark.parametrize(
    "samples",
    [[], [1.0, -1.0], [0.0], [float("inf")], [float("nan")], [1.0] * 5, [2e6]],
    ids=["none", "-", "0", "inf", "nan", "many", "long"],
)
def test_times_that_cannot_be_true_are_cheating(tmp_path: Path, folders, call: Call, samples: list[float]) -> None:
    delivery = Delivery(job(tmp_path, call, mode=Mode.TIME), *folders)
    report(folders[1], calls=[{"label": "case/normal", "samples_us": samples}])
    result = delivery.result(seconds=1.0)
    delivery.close()
    assert (result.failure, result.calls) == (Verdict.CHEATED, ())


def test_times_that_can_be_true_are_kept_in_order(tmp_path: Path, folders, call: Call) -> None:
    delivery = Delivery(job(tmp_path, call, mode=Mode.TIME), *folders)
    report(folders[1], calls=[{"label": "case/normal", "samples_us": [3.0, 1.0, 2.0]}])
    assert delivery.result(seconds=1.0).calls[0].samples_us == (3.0, 1.0, 2.0)
    delivery.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"failure": null}', '{"failure": 3, "detail": "", "calls": []}', "null", "\xff"])
def test_what_is_no_report_is_taken_for_none(tmp_path: Path, folders, call: Call, text: str) -> None:
    delivery = Delivery(job(tmp_path, call), *folders)
    (folders[1] / "result.json").write_bytes(text.encode("latin-1"))
    assert delivery.result(seconds=1.0) is None
    delivery.close()


def test_calls_that_were_not_asked_for_are_cheating(tmp_path: Path, folders, call: Call) -> None:
    delivery = Delivery(job(tmp_path, call), *folders)
    report(folders[1], calls=[])
    assert delivery.result(seconds=1.0).failure is Verdict.CHEATED
    delivery.close()


def test_an_output_of_another_size_is_cheating(tmp_path: Path, folders, call: Call) -> None:
    delivery = Delivery(job(tmp_path, call), *folders)
    os.truncate(folders[1] / "0-2.bin", 2)
    report(folders[1])
    assert delivery.result(seconds=1.0).failure is Verdict.CHEATED
    delivery.close()


def test_a_link_put_in_place_of_an_output_is_not_followed(tmp_path: Path, folders, call: Call) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    delivery = Delivery(job(tmp_path, call), *folders)
    (folders[1] / "0-2.bin").unlink()
    (folders[1] / "0-2.bin").symlink_to(tmp_path / "secret")
    report(folders[1])
    assert bytes(delivery.result(seconds=1.0).calls[0].outputs["y"]) == bytes(6)
    delivery.close()


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [("crashed", Verdict.CRASHED), ("cheated", Verdict.CHEATED), ("passed", Verdict.CRASHED), ("timed out", Verdict.CRASHED)],
)
def test_the_runner_may_name_these_failures_and_no_other(tmp_path: Path, folders, call: Call, failure: str, verdict: Verdict) -> None:
    delivery = Delivery(job(tmp_path, call), *folders)
    report(folders[1], failure=failure, detail="why " * 1000, calls=[])
    result = delivery.result(seconds=1.0)
    assert result.failure is verdict
    assert len(result.detail) <= 2000
    delivery.close()
