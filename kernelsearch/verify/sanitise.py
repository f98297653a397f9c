"""compute-sanitizer on the small cases of a candidate that is about to become the best."""

from __future__ import annotations

from kernelsearch import workload
from kernelsearch.device.base import Mode
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Hazard, Task

_CALLS = 3  # the smallest ones: each runs some ten to a hundred times slower under the tool
_TIMEOUT_S = 60.0


def sanitise(build: Build, task: Task, lab: Lab) -> tuple[tuple[Hazard, ...], str]:
    """Hazards in the candidate's kernels, and why the tool could not look, where it could not; both empty is a clean bill."""
    prepared = workload.prepare(task, lab.scratch, lab.secret, draws=lab.device.draws)
    calls = tuple(planned.call for planned in prepared.calls[:_CALLS])
    job = workload.job(build, task, calls, Mode.PROFILE, timeout_s=_TIMEOUT_S)
    reports = lab.device.sanitize(job)
    hazards = tuple(hazard for report in reports for hazard in report.hazards)
    missing = dict.fromkeys(report.missing for report in reports if report.missing)
    return hazards, "; ".join(missing)
