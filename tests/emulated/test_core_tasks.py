"""The shipped tasks on the emulated device: every baseline passes its own verification, and a slightly wrong one does not."""

from __future__ import annotations

import pytest
from numpy_lab import lab

from kernelsearch import catalog, verify
from kernelsearch.device.emulated import EmulatedDevice
from kernelsearch.lab import Lab
from kernelsearch.model import Candidate, Origin, Task, Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.emulated import EmulatedToolchain
from kernelsearch.verify.judge import Verification

TASKS = {task.name: task for task in catalog.tasks("core")}

# A right piece of a baseline, and what to put in its place.
WRONG = {
    "gelu": ("0.044715", "0.0445"),
    "layer_norm": ("variance /= cols;", "variance /= cols - 1;"),
    "box_blur": ("row <= y + radius", "row < y + radius"),
    "rms_norm": ("1e-5", "1e-3"),
    "matmul": ("i < k;", "i < k - 1;"),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    sandbox, scratch = open_sandbox(unsafe=True), tmp_path_factory.mktemp("lab")
    toolchain = EmulatedToolchain(sandbox=sandbox, cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)
    return lab(scratch, EmulatedDevice(sandbox=sandbox, scratch=scratch, hardware=catalog.hardware("h100")), toolchain)


def judged(opened: Lab, task: Task, source: str) -> Verification:
    build = opened.toolchain.build(Candidate(task="t", source=source, flags=task.flags, origin=Origin(proposer="test")), task)
    assert build.ok, build.log
    return verify.run(build, task, opened)


@pytest.mark.parametrize("name", TASKS)
def test_the_baseline_passes(opened: Lab, name: str) -> None:
    task = TASKS[name]
    found = judged(opened, task, task.baseline)
    assert found.verdict is Verdict.PASSED, found.detail
    assert {check.case for check in found.checks} == {case.name for case in task.cases if not case.timed}


@pytest.mark.parametrize("name", WRONG)
def test_a_baseline_with_one_thing_changed_is_wrong(opened: Lab, name: str) -> None:
    task, (right, wrong) = TASKS[name], WRONG[name]
    assert task.baseline.count(right) == 1
    found = judged(opened, task, task.baseline.replace(right, wrong))
    assert found.verdict is Verdict.WRONG, found
    assert "elements wrong" in found.detail or "precision was lost" in found.detail
