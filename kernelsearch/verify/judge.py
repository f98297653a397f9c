"""Runs a built candidate on every case and distribution, and compares what comes back: out here, never in the box."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kernelsearch import workload
from kernelsearch.device.base import CallResult, Mode
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Check, DType, Task, Verdict
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


def run(build: Build, task: Task, lab: Lab, *, again: str = "") -> Verification:
    """Verify `build` in one job, smallest calls first, the very first one alone.

    Timed cases are verified by what timed calls put out. `again` names a further trial, whose contents no earlier one has seen and no
    later one will. Raises `UsageError` when the reference or the baseline is at fault.
    """
    start = time.perf_counter()
    planned = workload.prepare(task, lab.scratch, again + lab.secret, draws=lab.device.draws).calls
    expected.ensure(task, planned, lab)  # before the job: the rung is asked while the job has the device, which a baseline would wait for
    try:
        return replace(_run(build, task, planned, lab), seconds=time.perf_counter() - start)
    finally:
        if again:
            expected.forget(task, planned, lab)


def _run(build: Build, task: Task, planned: Sequence[Planned], lab: Lab) -> Verification:
    by_label = {p.call.label: p for p in planned}

    def first_is_right(result: CallResult) -> bool:
        return check(task, by_label[result.label], result, lab).verdict is Verdict.PASSED

    job = workload.job(build, task, (p.call for p in planned), Mode.VERIFY)
    result = lab.device.run(job, first_is_right)
    if result.failure is not None:
        return Verification(verdict=result.failure, detail=result.detail)
    checks = [check(task, by_label[call.label], call, lab) for call in result.calls[:1]]
    if checks and checks[0].verdict is Verdict.PASSED:
        checks += _others(task, planned, result.calls[1:], lab)
    last = checks[-1] if checks else _missing(planned[0])
    return Verification(verdict=last.verdict, detail=last.detail, checks=tuple(checks))


def _others(task: Task, planned: Sequence[Planned], results: Sequence[CallResult], lab: Lab) -> Iterator[Check]:
    """Checks of all calls after the first result, until one fails; a call may have given two results, and must have given one."""
    seen = {result.label for result in results}
    for p in planned:
        found = [check(task, p, result, lab) for result in results if result.label == p.call.label]
        if not found and p is not planned[0] and p.call.label not in seen:
            found = [_missing(p)]
        for one in found:
            yield one
            if one.verdict is not Verdict.PASSED:
                return


def _missing(planned: Planned) -> Check:
    difference = Difference(detail="the program ended before it returned its outputs")
    return _checked(planned, Verdict.CRASHED, difference, _place(planned))


def _place(planned: Planned) -> str:
    return f"case {planned.case.name}, {planned.distribution.value} inputs"


def check(task: Task, planned: Planned, result: CallResult, lab: Lab) -> Check:
    """Compare the outputs of one call with their expected values; the worst output speaks for the call."""
    expected.ensure(task, (planned,), lab)
    right = expected.load(task, planned, lab)
    differences = []
    for arg in task.outputs:
        two_sided = task.reference is None or arg.dtype is DType.F64  # the reference computes in float64 itself
        limits = gate(task, planned.case, arg.dtype, two_sided=two_sided) if arg.dtype.is_float else None
        differences.append(compare(arg.name, result.outputs.get(arg.name, b""), arg.dtype, right[arg.name], limits))
    worst = max(differences, key=lambda d: (bool(d.detail), d.worst))
    return _checked(planned, Verdict.WRONG if worst.detail else Verdict.PASSED, worst, _place(planned))


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
