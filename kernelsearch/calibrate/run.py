"""Measures every figure of a GPU: each calibration kernel is built, verified and timed as a candidate is, one after the other.

The figure is that of the shortest time, as it stands for what the hardware can do; the median is kept beside it. A kernel that does
not pass, or passes with a figure that no such GPU has, gives none, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kernelsearch import digest
from kernelsearch.calibrate.probes import PROBES, Probe
from kernelsearch.errors import UsageError
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab
from kernelsearch.model import Calibration, Candidate, Measurement, Origin, Peak, Task, TimeKind

NOT_HERE = "nothing can be calibrated on the emulated device: it models times and measures none; use --device cuda on a machine with a GPU"
Watch = Callable[[Probe, Peak | str], None]


@dataclass(slots=True)
class _Found:
    peaks: dict[str, Peak] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)


def run(lab: Lab, watch: Watch = lambda probe, outcome: None) -> Calibration:
    """Calibrate the GPU of `lab`. `watch` is told each figure, or why there is none. Raises `UsageError` on a device without a clock."""
    if lab.device.time_kind is TimeKind.MODELLED:
        raise UsageError(NOT_HERE)
    facts, found = lab.environment.facts, _Found()
    for probe in PROBES:
        outcome = _measure(probe, lab, found)
        if isinstance(outcome, Peak):
            found.peaks[probe.rate] = outcome
        else:
            found.missing[probe.rate] = outcome
        watch(probe, outcome)
    return Calibration(
        gpu=lab.device.name,
        uuid=facts.get("gpu uuid", ""),
        driver=facts.get("driver", ""),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        peaks=found.peaks,
        missing=found.missing,
        conditions=found.conditions,
    )


def _measure(probe: Probe, lab: Lab, found: _Found) -> Peak | str:
    task = probe.load(lab.hardware)
    candidate = Candidate(task=digest.task(task), source=task.baseline, flags=task.flags, origin=Origin(proposer="calibration"))
    evaluation = evaluate(candidate, task, lab)
    if not evaluation.passed or evaluation.measurement is None:
        return f"{evaluation.verdict.value}: {evaluation.detail}"
    found.conditions |= {f"{probe.task}: {name}": text for name, text in evaluation.measurement.conditions.items()}
    peak = _peak(probe, task, evaluation.measurement)
    if peak.best > (limit := probe.limit(lab.hardware)):
        return f"{peak.best:.4g} is more than the {limit:.4g} that {lab.hardware.name} can have; does the hardware profile fit this GPU?"
    return peak


def _peak(probe: Probe, task: Task, measurement: Measurement) -> Peak:
    timing = measurement.timings[0]
    return Peak(
        best=probe.figure(min(timing.samples_us), task),
        median=probe.figure(timing.median_us, task),
        spread=timing.spread,
        samples=len(timing.samples_us),
    )
