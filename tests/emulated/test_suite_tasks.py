"""The baselines of the large suites on the emulated device: a sample of them, or all (`--all-tasks`)."""

from __future__ import annotations

import pytest
from numpy_lab import lab
from suite_tasks import TASKS, parametrised

from kernelsearch import catalog, digest, verify
from kernelsearch.device.emulated import EmulatedDevice
from kernelsearch.lab import Lab
from kernelsearch.model import Verdict
from kernelsearch.sandbox import open_sandbox
from kernelsearch.toolchain.emulated import EmulatedToolchain

pytest_generate_tests = parametrised


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    sandbox, scratch = open_sandbox(unsafe=True), tmp_path_factory.mktemp("lab")
    toolchain = EmulatedToolchain(sandbox=sandbox, cache=tmp_path_factory.getbasetemp() / "emulated", nvcc=None)
    return lab(scratch, EmulatedDevice(sandbox=sandbox, scratch=scratch, hardware=catalog.hardware("h100")), toolchain)


def test_the_baseline_passes(opened: Lab, sampled: str) -> None:
    task = TASKS[sampled]
    build = opened.toolchain.build(digest.baseline(task), task)
    assert build.ok, build.log
    found = verify.run(build, task, opened)
    assert found.verdict is Verdict.PASSED, found.detail
    assert {check.case for check in found.checks} == {case.name for case in task.cases if not case.timed}
