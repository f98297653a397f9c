"""Every shipped task is fit to judge by: at its small cases, for contents of more than one seed."""

from pathlib import Path

import pytest

from kernelsearch import catalog
from kernelsearch.admission import admit
from kernelsearch.verify.tolerance import gate, unit_roundoff

TASKS = {task.name: task for task in catalog.tasks("core")}
# Questions that do not arise: integers have no precision, a single number no parts, halves no bits beyond a half's.
NOT_TRIED = {"histogram": 11, "reduction": 7, "rms_norm": 3}


@pytest.mark.parametrize("seed", [0, 1234])
@pytest.mark.parametrize("name", TASKS)
def test_a_shipped_task_is_admitted(tmp_path: Path, name: str, seed: int) -> None:
    found = admit(TASKS[name], tmp_path, seed=seed)
    assert found.admitted, found.faults
    assert found.calls == 3 * len(TASKS[name].distributions) + (len(TASKS[name].distributions) if name == "row_softmax" else 0)
    assert sum(line.what.startswith("not tried") for line in found.lines) <= NOT_TRIED.get(name, 2)
    assert not any(line.what.startswith("not separable") for line in found.lines)


@pytest.mark.parametrize("name", ["reduction", "prefix_sum"])
def test_a_long_sum_is_not_excused_by_its_length(name: str) -> None:
    """At the timed size a half-precision input errs by about 0.6 units of its own roundoff; the gate must lie well below."""
    task = TASKS[name]
    (case,) = task.timed_cases
    (output,) = task.outputs
    assert gate(task, case, output.dtype).norm < 0.2 * 2.0**-11
    assert gate(task, case, output.dtype).norm > 100 * unit_roundoff(output.dtype)  # and far above what parallel sums lose
