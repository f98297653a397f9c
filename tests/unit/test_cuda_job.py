"""Both sides of the box's border: a job as files and numbers, and a report that is believed no further than its type."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from kernelsearch import contents
from kernelsearch.contents import Recipe
from kernelsearch.device.base import Call, Job, Mode, Sample, Scalar, Tensor, TimingPlan
from kernelsearch.device.cuda_job import Delivery, Export, PlanUnusable, Report, sets_of
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


def job(tmp_path: Path, call: Call, *, plan: LaunchPlan | None = None, mode: Mode = Mode.VERIFY, samples: tuple[Sample, ...] = ()) -> Job:
    artifact = tmp_path / "artifact"
    artifact.write_bytes(b"machine code")
    build = Build(ok=True, toolchain="test", artifact=str(artifact), plan=plan)
    timing = TimingPlan(max_samples=4)
    entry = None if plan else "solve"
    return Job(build=build, entry=entry, plan=plan, calls=(call,), mode=mode, samples=samples, timing=timing)


def deliver(wanted: Job, folders: tuple[Path, Path], *exports: int, support: Path | None = None) -> Delivery:
    return Delivery(wanted, *folders, support, exports or (0,))


def put(outputs: Path, data: bytes, number: int = 0) -> None:
    with (outputs / f"{number}-2.bin").open("r+b") as file:
        file.write(data)


def export(data: bytes, number: int = 0, seal: int = 5) -> Export:
    """What a box that wrote `data` committed itself to."""
    return Export(number, 0, contents.digest(data, seal), seal)


def launch(*args: str, grid: str = "1", block: str = "1", shared: str = "0") -> LaunchPlan:
    one = Launch(kernel="k", grid=(E(grid), ONE, ONE), block=(E(block), ONE, ONE), shared=E(shared), args=args)
    return LaunchPlan(launches=(one,), scratch=(Scratch(name="t", dtype=DType.F64, extent=E("n * 2")),))


def report(outputs: Path, **changes) -> None:
    content = {"failure": None, "detail": "", "notes": {}}
    (outputs / "result.json").write_text(json.dumps(content | changes))


def test_what_the_box_gets(tmp_path: Path, folders, call: Call) -> None:
    inputs, outputs = folders
    plan = launch("x", "in", "y", "t", "n", "n + 1", "rows << 20", "n / 2", grid="cdiv(n, 2)")
    (tmp_path / "cubin").write_bytes(b"ours")
    delivery = deliver(job(tmp_path, call, plan=plan), folders, 0, 0, support=tmp_path / "cubin")
    sent = json.loads((inputs / "job.json").read_text())
    (spec,) = sent["calls"]
    assert sent["mode"] == "serve" and sent["entry"] is None
    assert (inputs / "artifact").read_bytes() == b"machine code" and (inputs / "support").read_bytes() == b"ours"
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
    assert [(outputs / f"{number}-2.bin").stat().st_size for number in (0, 1)] == [6, 6]
    assert sorted(file.name for file in outputs.iterdir()) == ["0-2.bin", "1-2.bin", "result.json"]
    delivery.close()


def test_what_can_be_drawn_is_told_and_its_key_is_not(tmp_path: Path, folders) -> None:
    recipes = [
        Recipe(dtype="i32", position=0, count=9, low=-3, span=8),
        Recipe(dtype="f32", position=1, count=9, exponent=-2, distribution="positive"),
        Recipe(dtype="f32", position=2, count=9),
    ]
    args = tuple(Tensor(name=f"x{n}", dtype=DType(recipe.dtype), count=9, shape=(3, 3), recipe=recipe) for n, recipe in enumerate(recipes))
    secret = Call(label="c", args=args, values={}, key=0xFEEDFACECAFE, distribution="spikes", decoys=("normal",))
    for mode in (Mode.VERIFY, Mode.TIME):
        wanted = job(tmp_path, secret, mode=mode, samples=(Sample(call=0, key=0xBEEFBEEFBEEF, distribution="uniform"),))
        delivery = deliver(wanted, folders, 0)
        for number in (0xFEEDFACECAFE, 0xBEEFBEEFBEEF):
            assert str(number) not in delivery.text
        assert "spikes" not in delivery.text and "samples" not in delivery.text
        sent = json.loads(delivery.text)["calls"][0]["args"]
        assert [(arg["draw"]["low"], arg["draw"]["span"]) for arg in sent[:1]] == [(-3, 8)]
        assert [(arg["draw"]["distribution"], arg["draw"]["exponent"]) for arg in sent[1:]] == [(2, -2), (-1, 0)]
        assert all(arg["input"] is None for arg in sent)
        delivery.close()
        for folder in folders:
            for file in folder.iterdir():
                file.unlink()
    delivery = deliver(job(tmp_path, secret, mode=Mode.PROFILE), folders, 0)
    (spec,) = json.loads(delivery.text)["calls"]
    assert (spec["key"], spec["distribution"]) == (0xFEEDFACECAFE, contents.DISTRIBUTIONS.index("spikes"))
    delivery.close()


def test_a_file_comes_before_a_recipe(tmp_path: Path, folders, call: Call) -> None:
    both = dataclasses.replace(call.args[0], recipe=Recipe(dtype="f32", position=0, count=3))
    delivery = deliver(job(tmp_path, dataclasses.replace(call, args=(both, *call.args[1:]))), folders)
    assert json.loads(delivery.text)["calls"][0]["args"][0]["draw"] is None
    delivery.close()


def test_closing_twice_leaves_descriptors_of_others_alone(tmp_path: Path, folders, call: Call) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    delivery = deliver(job(tmp_path, call), folders, 0, 0)
    delivery.close()
    assert set(Path("/proc/self/fd").iterdir()) <= before
    others = [os.open(tmp_path / "artifact", os.O_RDONLY) for _ in range(3)]  # they get the numbers that became free
    delivery.close()
    for descriptor in others:
        assert os.pread(descriptor, 7, 0) == b"machine"
        os.close(descriptor)


@pytest.mark.parametrize(("count", "sets"), [(1, 8), (1 << 27, 4), (1 << 29, 1), (1 << 34, 1)])
def test_sets_of_buffers_fit_into_the_memory_for_them(count: int, sets: int) -> None:
    big = Call(label="c", args=(Tensor(name="x", dtype=DType.F64, count=count),), values={})
    assert sets_of(big) == sets
    assert sets_of(big, 3) == min(sets, 3)


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
        deliver(job(tmp_path, call, plan=plan), folders)


def test_outputs_come_back_and_outlive_their_files(tmp_path: Path, folders, call: Call) -> None:
    _, outputs = folders
    delivery = deliver(job(tmp_path, call), folders, 0, 0)
    put(outputs, b"result")
    put(outputs, b"second", 1)
    report(outputs, notes={"pair": "1"})
    assert delivery.failure(seconds=1.0) is None
    assert delivery.report() == Report(failure=None, detail="", notes={"pair": "1"})
    result = delivery.results([export(b"result"), export(b"second", 1, seal=2**64 - 1)], seconds=1.0)
    delivery.close()
    for file in outputs.iterdir():
        file.unlink()
    assert result.failure is None
    found = [{name: bytes(view) for name, view in done.outputs.items()} for done in result.calls]
    assert found == [{"y": b"result"}, {"y": b"second"}]
    assert [done.label for done in result.calls] == ["case/normal"] * 2 and [done.sample for done in result.calls] == [None, None]


def test_outputs_of_timed_calls_come_with_the_sample_that_they_are_of(tmp_path: Path, folders, call: Call) -> None:
    samples = tuple(Sample(call=0, key=key, distribution="normal") for key in (3, 4))
    delivery = deliver(job(tmp_path, call, mode=Mode.TIME, samples=samples), folders, 0, 0)
    put(folders[1], b"result", 1)
    (done,) = delivery.results([export(b"result", 1)], seconds=1.0).calls
    assert done.sample == samples[1] and done.samples_us == ()
    delivery.close()


@pytest.mark.parametrize("offset", range(6))
def test_an_output_that_is_not_what_was_committed_to_is_cheating(tmp_path: Path, folders, call: Call, offset: int) -> None:
    delivery = deliver(job(tmp_path, call), folders)
    other = bytearray(b"result")
    other[offset] ^= 1
    put(folders[1], bytes(other))
    result = delivery.results([export(b"result")], seconds=1.0)
    assert (result.failure, result.calls) == (Verdict.CHEATED, ())
    assert delivery.outputs(export(b"result")) is None
    delivery.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"failure": null}', '{"failure": 3, "detail": "", "calls": []}', "null", "\xff"])
def test_what_is_no_report_is_taken_for_none(tmp_path: Path, folders, call: Call, text: str) -> None:
    delivery = deliver(job(tmp_path, call), folders)
    (folders[1] / "result.json").write_bytes(text.encode("latin-1"))
    assert delivery.report() is None and delivery.failure(seconds=1.0) is None
    delivery.close()


@pytest.mark.parametrize("size", [0, 2, 7, 1 << 20])
def test_an_output_of_another_size_is_cheating(tmp_path: Path, folders, call: Call, size: int) -> None:
    delivery = deliver(job(tmp_path, call), folders)
    os.truncate(folders[1] / "0-2.bin", size)
    assert delivery.results([export(bytes(min(size, 6)))], seconds=1.0).failure is Verdict.CHEATED
    delivery.close()


def test_a_link_put_in_place_of_an_output_is_not_followed(tmp_path: Path, folders, call: Call) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    delivery = deliver(job(tmp_path, call), folders)
    (folders[1] / "0-2.bin").unlink()
    (folders[1] / "0-2.bin").symlink_to(tmp_path / "secret")
    assert delivery.outputs(export(b"secret")) is None
    assert bytes(delivery.results([export(bytes(6))], seconds=1.0).calls[0].outputs["y"]) == bytes(6)
    delivery.close()


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [("crashed", Verdict.CRASHED), ("cheated", Verdict.CHEATED), ("passed", Verdict.CRASHED), ("timed out", Verdict.CRASHED)],
)
def test_the_runner_may_name_these_failures_and_no_other(tmp_path: Path, folders, call: Call, failure: str, verdict: Verdict) -> None:
    delivery = deliver(job(tmp_path, call), folders)
    report(folders[1], failure=failure, detail="why " * 1000)
    result = delivery.failure(seconds=1.0)
    assert result.failure is verdict
    assert len(result.detail) <= 2000
    delivery.close()
