"""Times the timed cases of a task, in pairs with a rival, and hands on what some of those timed calls put out.

The candidate and its rival each have a process; calls alternate in random order on the same contents, which nobody knew before. Some of
the calls, nobody in a box knows which, have contents for which the right outputs are known; those outputs come back to be verified.
What a box claims is held against our own clock here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernelsearch import workload
from kernelsearch.device.base import CallResult, Job, JobResult, Mode, TimingPlan
from kernelsearch.device.conversation import SLACK_SHARE, SLACK_US
from kernelsearch.lab import Lab
from kernelsearch.measure import statistics
from kernelsearch.model import Build, CaseTiming, Interval, Measurement, Task, TimeKind, Verdict
from kernelsearch.workload import Planned

TIMING = TimingPlan()
LINGER_S = 1.0
# Other work on the machine can slow one of two boxes for as long as a trial lasts. Only a trial whose claims fit is believed, so that a
# further one gives a liar nothing.
_RETRIALS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """`measurement` is None when the timed run failed (`failure`, `detail`). `outputs` pairs contents with what a timed call made of
    them; a device that only models time may leave a result's outputs empty."""

    measurement: Measurement | None
    failure: Verdict | None = None
    detail: str = ""
    outputs: tuple[tuple[Planned, CallResult], ...] = ()


def run(
    build: Build,
    task: Task,
    lab: Lab,
    *,
    rival: Build | None = None,
    again: str = "",
    fresh: bool = False,
    strict: bool = False,
    timing: TimingPlan = TIMING,
) -> Timed:
    """All timed cases in one job. Samples are kept as they came, in µs.

    `rival` is built from the kernel to time against; without it there are no pairs. `again` names a further trial, whose contents no
    earlier one has seen; `fresh` asks for a process of the rival that has served nothing else. `strict`: something about the candidate
    is suspicious, so that more of its timed calls are looked at, some of them after a pause.
    """
    prepared = workload.prepare(task, lab.scratch, lab.secret, draws=lab.device.draws)
    timed = prepared.timed
    measured = lab.device.time_kind is TimeKind.MEASURED
    samples = prepared.samples(f"again {again}" if again else "sample", twice=strict) if measured else ()

    def job(of: Build) -> Job:
        timeout_s = 30.0 + len(timed) * (4 * timing.max_seconds + 5.0)
        asked = workload.job(of, task, (p.call for p in timed), Mode.TIME, timeout_s=timeout_s)
        wanted = tuple(workload.sample_of(p, timed) for p in samples)
        return replace(asked, samples=wanted, timing=timing, linger_s=LINGER_S if strict else 0.0)

    ours = job(build)
    if rival is not None and measured:
        ours = replace(ours, rival=replace(job(rival), samples=()), rival_fresh=fresh)
    result = lab.device.run(ours)
    for _ in range(_RETRIALS):
        if result.failure is not None or not _unexplained(result.calls):
            break
        ours = replace(ours, rival_fresh=True)
        result = lab.device.run(ours)
    if result.failure is not None:
        return Timed(measurement=None, failure=result.failure, detail=result.detail)
    if lie := _unexplained(result.calls):
        return Timed(measurement=None, failure=Verdict.CHEATED, detail=f"{lie}, in each of {_RETRIALS + 1} trials")
    outputs = _outputs(timed, samples, ours, result)
    if measured and (unseen := {p.case.name for p in timed} - {p.case.name for p, call in outputs if call.outputs}):
        return Timed(measurement=None, failure=Verdict.CRASHED, detail=f"no output of a timed call came back for case {min(unseen)}")
    return Timed(measurement=_measurement(timed, result, lab), outputs=tuple(outputs))


def _measurement(timed: Sequence[Planned], result: JobResult, lab: Lab) -> Measurement:
    by_label = {call.label: call for call in result.calls if call.samples_us}
    timings = tuple(
        CaseTiming(
            case=p.case.name,
            samples_us=by_label[p.call.label].samples_us,
            rival_us=by_label[p.call.label].rival_us,
            unexplained_us=by_label[p.call.label].unexplained_us,
            doubt_us=by_label[p.call.label].doubt_us,
        )
        for p in timed
    )
    speedup, interval = _speedup(timings)
    return Measurement(
        kind=lab.device.time_kind,
        timings=timings,
        speedup=speedup,
        interval=interval,
        cache="flushed" if TIMING.flush_l2 else "warm",
        conditions=result.conditions,
    )


def _speedup(timings: Sequence[CaseTiming]) -> tuple[float | None, Interval | None]:
    """Over the rival, from pairs; nothing where there are none."""
    if not all(timing.rival_us for timing in timings):
        return None, None
    return statistics.combined([statistics.ratio(timing.samples_us, timing.rival_us) for timing in timings])


def _outputs(timed: Sequence[Planned], samples: Sequence[Planned], job: Job, result: JobResult) -> list[tuple[Planned, CallResult]]:
    """What came back to be verified: of the samples, or of the timed calls themselves where the device takes no samples."""
    if not job.samples:
        by_label = {p.call.label: p for p in timed}
        return [(by_label[call.label], call) for call in result.calls if call.outputs]
    return [(samples[job.samples.index(call.sample)], call) for call in result.calls if call.sample is not None]


def _unexplained(calls: Sequence[CallResult]) -> str | None:
    """Why the claimed times are not believed, in one sentence."""
    for call in calls:
        if not call.by_clock:
            continue
        claimed = sorted(call.samples_us)[len(call.samples_us) // 2]
        slack = max(SLACK_US, SLACK_SHARE * claimed)
        says = f"{call.label}: it says that a call takes {claimed:.1f} µs, but by the clock outside each"
        if call.unexplained_us > slack:
            return f"{says} took {call.unexplained_us:.1f} µs longer"
        if call.unexplained_us < -slack:
            return f"{says}, with the work of ours around it, took {-call.unexplained_us:.1f} µs less: that work was not done"
    return None
