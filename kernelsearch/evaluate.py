"""One candidate: guard, build, verify, measure, profile. What the README says of judging is this file.

The candidate's failures are verdicts; only ours raise. There is no branch here on the kind of device, model or strategy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kernelsearch import diagnose, digest, guard, measure, verify
from kernelsearch.lab import Lab
from kernelsearch.model import Build, Candidate, Check, Evaluation, Finding, Measurement, Profile, Task, Verdict


def evaluate(candidate: Candidate, task: Task, lab: Lab) -> Evaluation:
    """Judge `candidate`. Raises only what is not the candidate's fault: `SandboxBroken`, `DeviceLost`, `ToolMissing`, `UsageError`."""
    trail = _Trail(candidate, task, lab)
    trail.findings = guard.check(candidate, task)
    if forbidden := [finding for finding in trail.findings if finding.forbidden]:
        return trail.end(Verdict.REJECTED, forbidden[0].message)
    with trail.stage("build"):
        trail.build = build = lab.toolchain.build(candidate, task)
    if build.failure is not None:
        return trail.end(build.failure, build.log)
    with trail.stage("verify"):
        verification = verify.run(build, task, lab)
        trail.checks = verification.checks
    if verification.verdict is not Verdict.PASSED:
        return trail.end(verification.verdict, verification.detail)
    with trail.stage("measure"):
        timed = measure.run(build, task, lab)
        trail.checks += tuple(verify.check(task, planned, call, lab) for planned, call in timed.outputs if call.outputs)
    if timed.failure is not None or timed.measurement is None:
        return trail.end(timed.failure or Verdict.CRASHED, timed.detail)
    if wrong := [check for check in trail.checks if check.verdict is not Verdict.PASSED]:
        return trail.end(wrong[0].verdict, f"in the timed call: {wrong[0].detail}")
    trail.measurement = timed.measurement
    if why := measure.implausible(timed.measurement, task, lab.hardware):
        return trail.end(Verdict.IMPLAUSIBLE, why)
    with trail.stage("profile"):
        trail.profile = diagnose.run(build, task, lab, timed.measurement)
    return trail.end(Verdict.PASSED)


@dataclass(slots=True)
class _Trail:
    """Collects the evidence on the way to a verdict."""

    candidate: Candidate
    task: Task
    lab: Lab
    findings: tuple[Finding, ...] = ()
    build: Build | None = None
    checks: tuple[Check, ...] = ()
    measurement: Measurement | None = None
    profile: Profile | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start

    def end(self, verdict: Verdict, detail: str = "") -> Evaluation:
        return Evaluation(
            candidate=digest.candidate(self.candidate),
            verdict=verdict,
            detail=detail,
            findings=self.findings,
            build=self.build,
            checks=self.checks,
            measurement=self.measurement,
            profile=self.profile,
            environment=self.lab.environment,
            seconds=dict(self.seconds),
            reference="baseline" if self.task.reference is None else "reference",
        )
