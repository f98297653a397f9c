"""Runs a built candidate on every case and distribution, and compares what comes back: out here, never in the box."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kernelsearch import workload
from kernelsearch.device.base import CallResult, Job, Mode
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Check, DType, Task, TimeKind, Verdict
from kernelsearch.verify import expected
from kernelsearch.verify.compare import Difference, compare
from kernelsearch.verify.tolerance import gate
from kernelsearch.workload import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`verdict` is PASSED, or what the first failing call showed, with `detail`; `checks` end there. `seconds` of wall clock."""

    verdict: Verdict
    detail: str = ""
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0


def run(build: Build, task: Task, lab: Lab) -> Verification:
    """Verify `build` in one job, smallest calls first.

    Timed cases are run in full only on a device of full speed. Raises `UsageError` when the reference or the baseline is at fault.
    """
    start = time.perf_counter()
    prepared = workload.prepare(task, lab.scratch, lab.seed)
    planned = prepared.calls if lab.device.time_kind is TimeKind.MEASURED else prepared.small
    job = Job(build=build, entry=task.entry, plan=build.plan, calls=tuple(p.call for p in planned), mode=Mode.VERIFY)
    result = lab.device.run(job)
    if result.failure is not None:
        return Verification(verdict=result.failure, detail=result.detail, seconds=time.perf_counter() - start)
    expected.ensure(task, planned, lab)
    by_label = {call.label: call for call in result.calls}
    checks: list[Check] = []
    for p in planned:
        checks.append(check(task, p, by_label.get(p.call.label), lab))
        if checks[-1].verdict is not Verdict.PASSED:
            break
    last = checks[-1]
    return Verification(verdict=last.verdict, detail=last.detail, checks=tuple(checks), seconds=time.perf_counter() - start)


def check(task: Task, planned: Planned, result: CallResult | None, lab: Lab) -> Check:
    """Compare the outputs of one call with their expected values; the worst output speaks for the call. None: nothing came back."""
    place = f"case {planned.case.name}, {planned.distribution.value} inputs"
    if result is None:
        return _checked(planned, Verdict.CRASHED, Difference(detail="the program ended before it returned its outputs"), place)
    expected.ensure(task, (planned,), lab)
    right = expected.load(task, planned, lab)
    differences = []
    for arg in task.outputs:
        two_sided = task.reference is None or arg.dtype is DType.F64  # the reference computes in float64 itself
        limits = gate(task, planned.case, arg.dtype, two_sided=two_sided) if arg.dtype.is_float else None
        differences.append(compare(arg.name, result.outputs.get(arg.name, b""), arg.dtype, right[arg.name], limits))
    worst = max(differences, key=lambda d: (bool(d.detail), d.worst))
    return _checked(planned, Verdict.WRONG if worst.detail else Verdict.PASSED, worst, place)


def _checked(planned: Planned, verdict: Verdict, difference: Difference, place: str) -> Check:
    return Check(
        case=planned.case.name,
        distribution=planned.distribution.value,
        verdict=verdict,
        max_error=difference.worst,
        relative_error=difference.relative,
        where=difference.where,
        detail=f"{difference.detail} ({place})" if difference.detail else "",
    )
