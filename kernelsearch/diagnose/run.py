"""Profiles the slowest timed case of a candidate that passed, and says what the counters mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernelsearch import workload
from kernelsearch.device.base import KernelCounters, Mode
from kernelsearch.diagnose.bottleneck import SECTOR, Evidence, accesses, bottleneck
from kernelsearch.diagnose.roofline import SPEED_OF_LIGHT, roofline
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Measurement, Metric, Profile, Task

_DURATION = "gpu__time_duration.sum"
_TIMEOUT_S = 120.0  # a profiler repeats the kernel once for each pass
_SHOWN = {
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "DRAM %",
    "lts__throughput.avg.pct_of_peak_sustained_elapsed": "L2 %",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "SM %",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy %",
    "launch__registers_per_thread": "registers",
}


def run(build: Build, task: Task, lab: Lab, measurement: Measurement) -> Profile | None:
    """Counters of the kernel that took most of the time, with a bottleneck where they name one; None when the lab collects none.

    Never a reason to fail a candidate: what is missing is in the profile's notes.
    """
    if lab.metric_set is None:
        return None
    case = max(task.timed_cases, key=lambda c: measurement.median_us(c.name))
    timed = workload.prepare(task, lab.scratch, lab.secret, draws=lab.device.draws).timed
    call = next(planned.call for planned in timed if planned.case == case)
    job = workload.job(build, task, (call,), Mode.PROFILE, timeout_s=_TIMEOUT_S)
    wanted = tuple(lab.metric_set.metrics)
    # The time picks the kernel, so it is always asked for.
    result = lab.device.profile(job, tuple(dict.fromkeys((_DURATION, *wanted))))
    kind, name = lab.device.time_kind, lab.metric_set.name
    if not result.kernels:
        return Profile(kind=kind, metric_set=name, kernel="", metrics={}, notes=(result.missing or "no counters came back",))
    longest = heaviest(result.kernels)
    call_us = measurement.median_us(case.name)
    ideal = roofline(task, case, lab.hardware)
    evidence = Evidence(
        metrics=longest.metrics,
        build=build,
        kernel=longest.kernel,
        launches=len(result.kernels),
        call_us=call_us,
        launch_us=lab.hardware.launch_us,
        task_bytes=None if ideal is None else ideal.bytes,
    )
    metrics = dict(longest.metrics)
    if ideal is not None:
        metrics[SPEED_OF_LIGHT] = Metric(value=ideal.percent(call_us), unit="%")
    return Profile(
        kind=kind,
        metric_set=name,
        kernel=longest.kernel,
        metrics=metrics,
        bottleneck=bottleneck(evidence),
        notes=_notes(result.kernels, longest, wanted),
        facts=facts(evidence, None if ideal is None else ideal.percent(call_us)),
    )


def heaviest(kernels: Sequence[KernelCounters]) -> KernelCounters:
    """The longest launch of the kernel that took most time in all; the first without durations."""
    total: dict[str, float] = {}
    for launch in kernels:
        total[launch.kernel] = total.get(launch.kernel, 0.0) + _duration(launch)
    name = max(total, key=lambda kernel: total[kernel])
    return max((launch for launch in kernels if launch.kernel == name), key=_duration)


def facts(evidence: Evidence, speed_of_light: float | None) -> dict[str, str]:
    """Short derived figures for tables and prompts; a name ending in % says that the number is one."""
    found = {}
    if speed_of_light is not None:
        found["speed of light %"] = f"{speed_of_light:.0f}" if speed_of_light >= 10 else f"{speed_of_light:.2g}"
    for access in accesses(evidence):
        found[f"sectors/request ({access.word})"] = f"{access.sectors:.1f}"
    found.update((label, f"{value:.0f}") for name, label in _SHOWN.items() if (value := evidence.get(name)) is not None)
    wavefronts = "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"
    conflicts = evidence.ratio("l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum", wavefronts)
    if conflicts is not None:
        found["bank conflicts %"] = f"{100 * conflicts:.0f}"
    if evidence.dram_bytes is not None and evidence.task_bytes:
        found["DRAM bytes / task bytes"] = f"{evidence.dram_bytes / evidence.task_bytes:.2f}"
    if evidence.task_bytes and (touched := sum(a.sectors * a.requests * SECTOR for a in accesses(evidence))):
        found["bytes accessed / task bytes"] = f"{touched / evidence.task_bytes:.1f}"
    if evidence.build.resources:
        found["spilled bytes"] = f"{evidence.spill_bytes}"
    return found


def _duration(launch: KernelCounters) -> float:
    metric = launch.metrics.get(_DURATION)
    return 0.0 if metric is None else metric.value


def _notes(kernels: Sequence[KernelCounters], longest: KernelCounters, wanted: Iterable[str]) -> tuple[str, ...]:
    notes = []
    if len(kernels) > 1:
        notes.append(f"{len(kernels)} launches in one call; this is the one that took longest")
    if absent := [name for name in wanted if name not in longest.metrics]:
        notes.append(f"not known to this device: {', '.join(absent)}")
    return tuple(notes)
