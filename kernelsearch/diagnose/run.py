"""Profiles one call of the longest timed case of a candidate that passed, and says what the counters mean.

Where there are none (no profiler, no permission, a profiler that hangs or prints no numbers, a profile of somebody else's kernel), or where
the candidate is not worth one, proxies take their place and are called so. A profiler that cannot work is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kernelsearch import workload
from kernelsearch.device.base import Call, KernelCounters, Mode
from kernelsearch.diagnose.bottleneck import bottleneck, estimated
from kernelsearch.diagnose.chosen import DURATION, heaviest
from kernelsearch.diagnose.collect import collect
from kernelsearch.diagnose.evidence import Evidence
from kernelsearch.diagnose.facts import facts, shares
from kernelsearch.diagnose.proxies import NAME, STANDS_FOR, proxies
from kernelsearch.diagnose.roofline import FLOOR, SPEED_OF_LIGHT, Roofline, roofline
from kernelsearch.diagnose.worth import reported, worth
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Case, Hardware, Measurement, Metric, Profile, Task
from kernelsearch.nsight import MOST_LAUNCHES, hot_lines
from kernelsearch.toolchain.nvcc import SOURCE

_TIMEOUT_S = 60.0  # a profiler repeats the kernel once for each pass


# Of one call; these travel among the counters, so that a diagnosis can be made again from the record.
LAUNCHES, KERNELS_US = "derived__launches", "derived__kernels_us.sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A built candidate, the time of the case that stands for it, and the ideal of that case."""

    build: Build
    case: Case
    call_us: float
    hardware: Hardware
    ideal: Roofline | None
    floors: Mapping[str, float]  # the ideals of all timed cases in µs, where there are several


def run(
    build: Build,
    task: Task,
    lab: Lab,
    measurement: Measurement,
    incumbent: Measurement | None = None,
    *,
    source: str = "",
    best: bool = False,
) -> Profile | None:
    """Counters of the kernel that took most of the time, with a bottleneck where they name one; None when the lab collects none.

    `incumbent`: times of the best kernel so far. `source` is what was built, for the lines where most samples were taken; `best` says
    that it is the best one from now on. Never a reason to fail a candidate: what is missing is in the profile's notes.
    """
    if lab.metric_set is None:
        return None
    subject = _subject(build, task, measurement, lab.hardware)
    timed = workload.prepare(task, lab.scratch, lab.secret, draws=lab.device.draws).timed
    call = next(planned.call for planned in timed if planned.case == subject.case)
    decision = worth(measurement, incumbent)
    if not decision.profiled:
        return _without(subject, call, measurement, decision.reason)
    wanted = tuple(lab.metric_set.metrics)
    job = workload.job(build, task, (call,), Mode.PROFILE, timeout_s=_TIMEOUT_S)
    if reported(incumbent, best=best, metric_set=lab.metric_set.name):
        job = replace(job, source=source)
    collected = collect(lab.device, job, task, wanted)
    if not collected.kernels:
        return _without(subject, call, measurement, collected.missing)
    longest = heaviest(collected.kernels)
    profile = Profile(
        kind=lab.device.time_kind,
        metric_set=lab.metric_set.name,
        kernel=longest.kernel,
        metrics={**_with_derived(longest.metrics, subject, len(collected.kernels)), **_running(collected.kernels)},
        notes=(*_notes(collected.kernels, longest, wanted), *filter(None, (collected.unread,))),
        hot=hot_lines(collected.source_page, longest.kernel, file=SOURCE),
        report=_kept(lab, collected.report),
    )
    return _read(profile, subject)


def _kept(lab: Lab, report: bytes | None) -> str:
    """The name of a report that was kept."""
    if report is None or lab.reports is None:
        return ""
    try:
        return lab.reports.put(report)
    except OSError:  # a full disk: what was read from it is there
        return ""


def again(profile: Profile, build: Build, task: Task, measurement: Measurement, hardware: Hardware) -> Profile:
    """A recorded profile of counters, read once more: by the thresholds and rules of today."""
    return _read(profile, _subject(build, task, measurement, hardware))


def _subject(build: Build, task: Task, measurement: Measurement, hardware: Hardware) -> _Subject:
    case = max(task.timed_cases, key=lambda c: measurement.median_us(c.name))
    ideals = {each.name: roofline(task, each, hardware) for each in task.timed_cases}
    return _Subject(
        build=build,
        case=case,
        call_us=measurement.median_us(case.name),
        hardware=hardware,
        ideal=ideals[case.name],
        floors={name: ideal.ideal_us for name, ideal in ideals.items() if ideal is not None and len(ideals) > 1},
    )


def _read(profile: Profile, subject: _Subject) -> Profile:
    launches = profile.value(LAUNCHES)
    evidence = _evidence(subject, profile.metrics, profile.kernel, 1 if launches is None else round(launches))
    return replace(
        profile,
        bottleneck=bottleneck(evidence),
        facts=facts(evidence, _percent(subject), subject.ideal),
        shares=shares(evidence),
    )


def _without(subject: _Subject, call: Call, measurement: Measurement, why: str) -> Profile:
    """What proxies say, and why there are no counters."""
    found = proxies(subject.build, call, subject.hardware, subject.ideal, subject.call_us)
    exact = {name: metric for name, metric in found.metrics.items() if name not in STANDS_FOR}
    known = _evidence(subject, exact, found.kernel, found.launches)
    return Profile(
        kind=measurement.kind,
        metric_set=NAME,
        kernel=found.kernel,
        metrics=_with_derived(found.metrics, subject, found.launches),
        bottleneck=estimated(_evidence(subject, found.as_counters, found.kernel, found.launches)),
        notes=(why,),
        facts=facts(known, _percent(subject), subject.ideal),
        shares=shares(known),
    )


def _evidence(subject: _Subject, metrics: Mapping[str, Metric], kernel: str, launches: int) -> Evidence:
    launch_us = subject.hardware.measured.get("launch_us", subject.hardware.launch_us)
    return Evidence(
        metrics=metrics,
        build=subject.build,
        kernel=kernel,
        launches=launches,
        call_us=subject.call_us,
        # What was measured is a launch alone. Behind another it is hidden in part, down to what the profile has for one.
        launch_us=launch_us if launches == 1 else min(launch_us, subject.hardware.launch_us),
        kernels_us=_kernels_us(metrics, launches),
        task_bytes=None if subject.ideal is None else subject.ideal.bytes,
        matrix_gain=None if subject.ideal is None else subject.ideal.matrix_gain,
    )


def _kernels_us(metrics: Mapping[str, Metric], launches: int) -> float | None:
    """As recorded; where only the longest kernel is on record, the others are taken to be as long."""
    if KERNELS_US in metrics:
        return metrics[KERNELS_US].value
    longest = metrics.get(DURATION)
    return None if longest is None or launches >= MOST_LAUNCHES else launches * longest.value / 1000.0


def _running(kernels: Sequence[KernelCounters]) -> dict[str, Metric]:
    """How long the kernels of a call ran in all; nothing when the profiler may have stopped before the last."""
    if len(kernels) >= MOST_LAUNCHES or any(DURATION not in launch.metrics for launch in kernels):
        return {}
    return {KERNELS_US: Metric(value=sum(launch.metrics[DURATION].value for launch in kernels) / 1000.0, unit="µs")}


def _percent(subject: _Subject) -> float | None:
    return None if subject.ideal is None else subject.ideal.percent(subject.call_us)


def _with_derived(metrics: Mapping[str, Metric], subject: _Subject, launches: int) -> dict[str, Metric]:
    floors = {FLOOR + name: Metric(value=us, unit="µs") for name, us in subject.floors.items()}
    found = {**metrics, LAUNCHES: Metric(value=launches), **floors}
    percent = _percent(subject)
    return found if percent is None else {**found, SPEED_OF_LIGHT: Metric(value=percent, unit="%")}


def _notes(kernels: Sequence[KernelCounters], longest: KernelCounters, wanted: Iterable[str]) -> tuple[str, ...]:
    notes = []
    if len(kernels) > 1:
        notes.append(f"{len(kernels)} launches in one call; this is the one that took longest")
    if absent := [name for name in wanted if name not in longest.metrics]:
        notes.append(f"not known to this device: {', '.join(absent)}")
    return tuple(notes)
