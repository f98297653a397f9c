"""Expected values without a reference: what the baseline itself computes on the same device for the same calls.

This cannot tell whether the baseline is right, only whether a candidate agrees with it; an evaluation says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernelsearch import digest
from kernelsearch.device.base import Mode
from kernelsearch.errors import BaselineFailed
from kernelsearch.lab import Lab
from kernelsearch.model import Task
from kernelsearch.verify.compare import Expected, as_rows
from kernelsearch.workload import Array, Planned, decode
from kernelsearch.workload import job as job_of


def compute(task: Task, planned: Sequence[Planned], lab: Lab) -> dict[str, dict[str, Expected]]:
    """Expected values by call label and output. Raises `BaselineFailed` when the baseline does not build or run."""
    build = lab.toolchain.build(digest.baseline(task), task)
    if build.failure is not None:
        raise BaselineFailed(f"task {task.name!r}: the baseline is the reference, and it ended as {build.failure.value}: {build.log}")
    job = job_of(build, task, (p.call for p in planned), Mode.VERIFY)
    result = lab.device.run(job)
    if result.failure is not None:
        raise BaselineFailed(f"task {task.name!r}: the baseline is the reference, and it ended as {result.failure.value}: {result.detail}")
    outputs = {call.label: call.outputs for call in result.calls}
    if missing := [p.call.label for p in planned if p.call.label not in outputs]:
        raise BaselineFailed(f"task {task.name!r}: the baseline gave no output for {missing[0]}")
    return {
        p.call.label: {arg.name: _expected(task, p, arg.name, outputs[p.call.label].get(arg.name, b"")) for arg in task.outputs}
        for p in planned
    }


def _expected(task: Task, planned: Planned, name: str, raw: bytes | memoryview) -> Expected:
    dtype, shape = task.arg(name).dtype, planned.shapes[name]
    if len(raw) != int(np.prod(shape, dtype=np.int64)) * dtype.size:
        raise BaselineFailed(f"task {task.name!r}: the baseline gave {len(raw)} bytes for {name} in {planned.call.label}")
    values: Array = decode(raw, dtype, shape)
    if dtype.is_float:
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise BaselineFailed(
                f"task {task.name!r}: the baseline leaves elements of {name} unwritten or not finite in {planned.call.label}; "
                f"mend it, take other [inputs] distributions, or write a [reference]"
            )
    return Expected(values=values, spread=np.zeros(len(as_rows(values)) if dtype.is_float else 0))
