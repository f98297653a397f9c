"""The device `host`, end to end in real boxes: PyTorch problems on this CPU, from candidate to verdict, honest and otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch_problems as problems
from nodes import ENVIRONMENT

from kernelsearch import catalog, measure, oracle, paths, verify
from kernelsearch.device import open_device
from kernelsearch.device.base import Job, Mode, TimingPlan
from kernelsearch.device.host import unbounded
from kernelsearch.formats import kernelbench
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Candidate, Origin, Task, TimeKind, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.torch import TorchToolchain

pytest.importorskip("torch", reason="the host device runs PyTorch candidates (pip install kernelsearch[torch])")

QUICK = TimingPlan(warmup_ms=0.0, min_samples=12, max_samples=12, max_seconds=20.0, flush_l2=False)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("problems") / "softmax.py"
    file.write_text(problems.SOFTMAX)
    found = kernelbench.load(file)
    yield replace(found, distributions=found.distributions[:1])  # every box imports torch, which takes seconds
    oracle.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory):
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "scratch_root", lambda: scratch)
        sandbox = open_sandbox(unsafe=True)
        hardware = unbounded(catalog.hardware("h100"))
        device = open_device("host", sandbox=sandbox, scratch=scratch, hardware=hardware)
        toolchain = TorchToolchain(sandbox=sandbox, cache=scratch / "cache", nvcc=None, arch=hardware.arch)
        yield Lab(
            device=device,
            toolchain=toolchain,
            sandbox=sandbox,
            metric_set=None,
            environment=ENVIRONMENT,
            scratch=scratch,
            secret="s",
        )
        device.close()
    assert list(scratch.glob("box-*")) == []


def softmax(forward: str, *, init: str = "pass", before: str = "") -> str:
    body = "\n".join(f"        {line}" for line in forward.splitlines())
    return (
        f"import torch\nimport torch.nn as nn\n{before}\n\nclass ModelNew(nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        {init}\n\n    def forward(self, x):\n{body}\n"
    )


def built(source: str, task: Task, lab: Lab) -> Build:
    candidate = Candidate(task="t", source=source, origin=Origin(proposer="test"))
    build = lab.toolchain.build(candidate, task)
    assert build.ok, build.log
    return build


def timed(source: str, task: Task, lab: Lab) -> measure.Timed:
    return measure.run(built(source, task, lab), task, lab, rival=built(task.baseline, task, lab), timing=QUICK)


def verdicts(done: measure.Timed, task: Task, lab: Lab) -> list[Verdict]:
    """Of the outputs of timed calls that were looked at."""
    return [verify.check(task, planned, call, lab).verdict for planned, call in done.outputs]


HONEST = softmax("e = torch.exp(x - x.max(1, keepdim=True).values)\nreturn e / e.sum(1, keepdim=True)")


def test_an_honest_module_is_verified_and_timed_in_pairs(task: Task, lab: Lab) -> None:
    assert verify.run(built(HONEST, task, lab), task, lab).verdict is Verdict.PASSED
    done = timed(HONEST, task, lab)
    assert (done.failure, done.detail) == (None, "")
    assert done.measurement.kind is TimeKind.MEASURED
    (timing,) = done.measurement.timings
    assert len(timing.samples_us) == 12 and min(timing.samples_us) > 0
    assert (timing.unexplained_us, timing.doubt_us) == (0.0, 0.0)  # no calls in a row, so nothing by the clock outside
    assert done.measurement.speedup > 0 and done.measurement.interval.low <= done.measurement.speedup <= done.measurement.interval.high
    assert len(done.outputs) >= 2
    assert set(verdicts(done, task, lab)) == {Verdict.PASSED}


def test_a_module_that_changes_its_input_has_cheated(task: Task, lab: Lab) -> None:
    found = verify.run(built(softmax("y = torch.softmax(x, 1)\nx.zero_()\nreturn y"), task, lab), task, lab)
    assert found.verdict is Verdict.CHEATED
    assert "changed its input x0" in found.detail


MEMO = softmax("self.kept = torch.softmax(x, 1) if self.kept is None else self.kept\nreturn self.kept.clone()", init="self.kept = None")
LATER = softmax("self.count += 1\nreturn torch.softmax(x, 1) if self.count < 3 else torch.full_like(x, 1 / 32)", init="self.count = 0")


@pytest.mark.parametrize("source", [MEMO, LATER], ids=["an answer is kept", "wrong later"])
def test_what_is_right_at_first_is_found_out_in_timed_calls(task: Task, lab: Lab, source: str) -> None:
    assert verify.run(built(source, task, lab), task, lab).verdict is Verdict.PASSED  # two calls, on the same contents
    done = timed(source, task, lab)
    assert done.failure is None
    assert Verdict.WRONG in verdicts(done, task, lab)


def test_cuda_sources_are_not_for_it(task: Task, lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "k.so").write_bytes(b"code")
    build = Build(ok=True, toolchain="t", artifact=str(tmp_path / "k.so"))
    done = lab.device.run(Job(build=build, entry="solve", plan=None, calls=(), mode=Mode.VERIFY))
    assert done.failure is Verdict.UNSUPPORTED and "emulated" in done.detail
