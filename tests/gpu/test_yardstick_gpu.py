"""Library times on a GPU: between events, behind a flush of L2, and of the same order as what the judge measures of the same work."""

from contextlib import closing
from dataclasses import replace

import pytest

from kernelsearch import catalog, digest, yardstick
from kernelsearch.device import inventory
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import open_lab
from kernelsearch.measure.floor import floor_us
from kernelsearch.model import Yardstick

pytestmark = pytest.mark.gpu

GELU = "core/gelu"
TORCH = "def run(torch, x, n, **others):\n    return torch.nn.functional.gelu(x, approximate={approximate!r})\n"


@pytest.fixture(scope="module")
def lab():
    if not inventory.detect():
        pytest.skip("no NVIDIA GPU on this machine")
    with closing(open_lab(device="cuda", metrics="none")) as opened:
        yield opened


def with_yardstick(source: str, library: str = "torch"):
    return replace(catalog.task(GELU), yardstick=Yardstick(library=library, source=source, function="run"))


def test_torch_is_timed_as_it_is_and_compiled(lab):
    pytest.importorskip("torch", reason="timing torch needs torch (pip install kernelsearch[torch])")
    found = yardstick.measure(with_yardstick(TORCH.format(approximate="tanh")), lab, yardstick.WAYS)
    assert list(found.times) == ["torch eager", "torch compile"], found.remarks
    task = catalog.task(GELU)
    judged = evaluate(digest.baseline(task), task, lab)
    floor = floor_us(task, task.timed_cases[0], lab.hardware)
    for us in found.times.values():  # the same bytes, once through, and nothing faster than the memory
        assert 0.45 * floor < us < 5.0 * judged.time_us


def test_a_library_that_is_not_the_tasks_is_named(lab):
    pytest.importorskip("torch", reason="timing torch needs torch (pip install kernelsearch[torch])")
    found = yardstick.measure(with_yardstick(TORCH.format(approximate="none")), lab, ("eager",))
    assert found.times == {} and "its outputs are not the task's" in found.remarks[0]


def test_cupy_is_timed(lab):
    source = "def run(cupy, x, **others):\n    return 0.5 * x * (1 + cupy.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))\n"
    found = yardstick.measure(with_yardstick(source, "cupy"), lab, ("eager",))
    assert list(found.times) == ["cupy"], found.remarks
