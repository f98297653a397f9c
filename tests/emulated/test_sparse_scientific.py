"""Baselines of the sparse and the scientific suite on the emulated device: a sample passes, and one with a thing changed does not."""

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


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    sandbox, scratch = open_sandbox(unsafe=True), tmp_path_factory.mktemp("lab")
    toolchain = EmulatedToolchain(sandbox=sandbox, cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)
    return lab(scratch, EmulatedDevice(sandbox=sandbox, scratch=scratch, hardware=catalog.hardware("h100")), toolchain)


def judged(opened: Lab, task: Task, source: str) -> Verification:
    build = opened.toolchain.build(Candidate(task="t", source=source, flags=task.flags, origin=Origin(proposer="test")), task)
    assert build.ok, build.log
    return verify.run(build, task, opened)


@pytest.mark.parametrize("name", ["sparse/spmm_coo_bf16", "sparse/spmv_ell", "scientific/fft_bf16"])
def test_the_baseline_passes(opened: Lab, name: str) -> None:
    task = catalog.task(name)
    found = judged(opened, task, task.baseline)
    assert found.verdict is Verdict.PASSED, found.detail
    assert {check.case for check in found.checks} == {case.name for case in task.cases if not case.timed}


# A right piece of a baseline, what to put in its place, and how it shows.
WRONG = {
    "sparse/spmv_csc": ("y[row] = 0.0f;", "y[row] *= 1.0f;", "not"),  # the output is not cleared
    "sparse/spmm_ell": (" && columns[slot] >= 0", "", ""),  # empty slots are read
    "scientific/fft": ("-3.14159265358979f", "-3.1416f", "wrong"),
    "scientific/simpson_int": ("i == 0 || i == nodes - 1", "i == 0", "wrong"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_baseline_with_one_thing_changed_is_wrong(opened: Lab, name: str) -> None:
    task, (right, wrong, shown) = catalog.task(name), WRONG[name]
    assert task.baseline.count(right) == 1
    found = judged(opened, task, task.baseline.replace(right, wrong))
    assert found.verdict in (Verdict.WRONG, Verdict.CRASHED), found
    assert shown in found.detail
