"""Times the timed cases of a task, in a fresh process, and hands on what those timed calls put out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch import workload
from kernelsearch.device.base import CallResult, Job, Mode, TimingPlan
from kernelsearch.lab import Lab
from kernelsearch.model import Build, CaseTiming, Measurement, Task, Verdict
from kernelsearch.workload import Planned

TIMING = TimingPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """`measurement` is None when the timed run failed (`failure`, `detail`). `outputs` pairs each timed call with its last result;
    a device that only models time may leave a result's outputs empty."""

    measurement: Measurement | None
    failure: Verdict | None = None
    detail: str = ""
    outputs: tuple[tuple[Planned, CallResult], ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


def run(build: Build, task: Task, lab: Lab) -> Timed:
    """All timed cases in one job. Samples are kept as they came, in µs."""
    planned = workload.prepare(task, lab.scratch, lab.seed).timed
    job = Job(
        build=build,
        entry=task.entry,
        plan=build.plan,
        calls=tuple(p.call for p in planned),
        mode=Mode.TIME,
        timing=TIMING,
        timeout_s=30.0 + len(planned) * (TIMING.max_seconds + 5.0),
    )
    result = lab.device.run(job)
    if result.failure is not None:
        return Timed(measurement=None, failure=result.failure, detail=result.detail)
    by_label = {call.label: call for call in result.calls}
    pairs = tuple((p, by_label[p.call.label]) for p in planned)
    measurement = Measurement(
        kind=lab.device.time_kind,
        timings=tuple(CaseTiming(case=p.case.name, samples_us=call.samples_us) for p, call in pairs),
        cache="flushed" if TIMING.flush_l2 else "warm",
        conditions=result.conditions,
    )
    return Timed(measurement=measurement, outputs=pairs)
