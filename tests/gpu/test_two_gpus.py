"""Two GPUs of one machine: each box sees its own alone, each lab has cores of its own, and a crew uses both."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from kernelsearch import catalog, digest
from kernelsearch.device import inventory
from kernelsearch.device.cuda import CudaDevice
from kernelsearch.lab import open_lab
from kernelsearch.sandbox.base import Limits
from kernelsearch.workers.base import Work
from kernelsearch.workers.crew.dispatch import Terms
from kernelsearch.workers.crew.here import Processes
from kernelsearch.workers.crew.seat import Opening
from kernelsearch.workers.crew.site import CrewSite
from kernelsearch.workers.local import in_thread

pytestmark = pytest.mark.gpu

COUNT = "import cupy; print(cupy.cuda.runtime.getDeviceCount(), cupy.cuda.runtime.deviceGetPCIBusId(0))"


@pytest.fixture(scope="module")
def two():
    gpus = inventory.detect()
    if len(gpus) < 2 or gpus[0].name != gpus[1].name:
        pytest.skip("there are no two GPUs of one kind on this machine")
    return gpus[:2]


def test_a_box_sees_one_gpu_and_each_lab_has_its_own(two, tmp_path):
    seen = set()
    for gpu in two:
        with closing(open_lab(device=f"cuda:{gpu.ordinal}", metrics="none")) as lab:
            assert isinstance(lab.device, CudaDevice) and lab.environment.facts["gpu uuid"] == gpu.uuid
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "out").mkdir(exist_ok=True)
            python = lab.device._runner(tmp_path)[0]
            box = replace(lab.device._box(tmp_path, (python, "-c", COUNT)), channel=False, limits=Limits(seconds=60))
            done = lab.sandbox.run(box)
            assert done.returncode == 0, done.stderr
            count, bus = done.stdout.split()
            assert count == "1"
            seen.add(bus)
    assert len(seen) == 2


def test_two_labs_at_once_keep_two_cores(two):
    with closing(open_lab(device="cuda:0", metrics="none")) as first, closing(open_lab(device="cuda:1", metrics="none")) as second:
        places = [lab.environment.facts["timed on"] for lab in (first, second)]
        assert "any CPU" in places or len(set(places)) == 2


def test_a_crew_judges_on_both_and_they_agree(two):
    task = catalog.task("core/row_softmax")
    work = Work(task=task, candidate=digest.baseline(task))
    crew = Processes([Opening(name=gpu.uuid, device=f"cuda:{gpu.ordinal}") for gpu in two])
    with closing(CrewSite(crew, Terms(), secret="s", metrics=None, say=print)) as site:
        site.begin(task, lambda: False)
        futures = [in_thread(site.judge, work) for _ in range(8)]
        found = [future.result(timeout=300) for future in futures]
    assert all(evaluation.passed for evaluation in found)
    assert all(evaluation.environment.facts["worker"] == evaluation.environment.facts["gpu uuid"] for evaluation in found)
    assert {evaluation.environment.facts["gpu uuid"] for evaluation in found} == {gpu.uuid for gpu in two}
    assert all(abs(evaluation.measurement.speedup - 1.0) < 0.02 for evaluation in found)  # the baseline against itself, on each
