"""What became of an emulated job: its outputs and reports, or the verdict that says why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernelsearch.device.base import Call, Job, Tensor
from kernelsearch.device.border import died
from kernelsearch.device.emulated_compare import disagreement
from kernelsearch.device.emulated_job import CallReport, Delivery, EmulationError
from kernelsearch.model import Verdict
from kernelsearch.sandbox.base import BoxResult

_VERDICTS = {"readonly": Verdict.CHEATED, "unsupported": Verdict.UNSUPPORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Reports and outputs of every call, in order, or a failure."""

    failure: Verdict | None = None
    detail: str = ""
    calls: tuple[CallReport, ...] = ()
    outputs: tuple[Mapping[str, bytes], ...] = ()


def outcome(job: Job, delivery: Delivery, end: BoxResult) -> Outcome:
    """Read what the box left behind after it ended."""
    last = delivery.progress() or "before the first call"
    if end.timed_out:
        detail = f"{last}: no end after {job.timeout_s:g} s on the emulated device, which runs some ten million threads a second at best"
        return Outcome(failure=Verdict.TIMED_OUT, detail=detail)
    report = delivery.report()
    if report is None or end.returncode != 0:
        return Outcome(failure=Verdict.CRASHED, detail=f"{last}: {died(end)}")
    if report.stopped is not None:
        return _stopped(last, report.stopped)
    for reported in report.calls:
        if failed := _run_failure(reported):
            return failed
    if len(report.calls) != len(job.calls) or not all(reported.runs for reported in report.calls):
        return Outcome(failure=Verdict.CRASHED, detail=f"{last}: the report does not hold every call")
    outputs: list[dict[str, bytes]] = []
    for index, (call, reported) in enumerate(zip(job.calls, report.calls, strict=True)):
        found = _outputs(delivery, index, call, len(reported.runs))
        if isinstance(found, Outcome):
            return found
        outputs.append(found)
    return Outcome(calls=report.calls, outputs=tuple(outputs))


def _run_failure(report: CallReport) -> Outcome | None:
    for number, run in enumerate(report.runs):
        if run.error is not None:
            return _stopped(report.label, run.error, " (under another thread order)" if number else "")
        if run.changed is not None:
            return Outcome(failure=Verdict.CHEATED, detail=f"{report.label}: input {run.changed} was changed")
        if any(launch.counts() is None for launch in run.launches):
            return Outcome(failure=Verdict.CHEATED, detail=f"{report.label}: the reported counters cannot be true")
    return None


def _outputs(delivery: Delivery, index: int, call: Call, runs: int) -> dict[str, bytes] | Outcome:
    """The first run's outputs, when they are whole and the other runs agree with them."""
    found = {}
    for tensor in (arg for arg in call.args if isinstance(arg, Tensor) and arg.written):
        first = delivery.output(index, tensor, 0)
        for number in range(runs):
            again = first if number == 0 else delivery.output(index, tensor, number)
            if first is None or again is None:
                return Outcome(failure=Verdict.CRASHED, detail=f"{call.label}: the output {tensor.name} did not come back whole")
            if where := disagreement(tensor.dtype, first, again):
                detail = f"{call.label}: {tensor.name}[{where[0]}] depends on the order in which threads run: {where[1]}"
                return Outcome(failure=Verdict.NONDETERMINISTIC, detail=detail)
            found[tensor.name] = first
    return found


def _stopped(label: str, error: EmulationError, order: str = "") -> Outcome:
    place = f" (line {error.line})" if error.line else ""
    return Outcome(failure=_VERDICTS.get(error.kind, Verdict.CRASHED), detail=f"{label}: {error.message[:1500]}{place}{order}")
