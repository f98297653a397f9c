"""One candidate: guard, build, verify, measure, confirm, profile. What the README says of judging is this file.

The candidate's failures are verdicts; only ours raise. There is no branch here on the kind of device, model or strategy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kernelsearch import diagnose, digest, guard, measure, verify
from kernelsearch.lab import Lab
from kernelsearch.model import (
    Build,
    Candidate,
    Check,
    Confirmation,
    Evaluation,
    Finding,
    Hazard,
    Measurement,
    Profile,
    Task,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """The best kernel so far, which passed: what is faster has to beat it."""

    candidate: Candidate
    measurement: Measurement


class Failed(Exception):
    """The candidate did not pass a stage: how, and why."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict, self.detail = verdict, detail


Known = Callable[[str], Evaluation | None]  # the evaluation of a candidate whose build has this `guard.code_digest`


def evaluate(
    candidate: Candidate, task: Task, lab: Lab, incumbent: Incumbent | None = None, *, known: Known = lambda code: None
) -> Evaluation:
    """Judge `candidate`, or give the evaluation of one that was compiled to the same code and is `known`.

    Raises only what is not the candidate's fault: `SandboxBroken`, `DeviceLost`, `ToolMissing`, `UsageError`."""
    trail = _Trail(candidate, task, lab)
    try:
        trail.note(guard.check(candidate, task))
        with trail.stage("build"):
            build = trail.built(lab.toolchain.build(candidate, task))
        trail.note(guard.inspect(build, task))
        if (twin := known(guard.code_digest(build, task))) is not None:
            return twin
        with trail.stage("verify"):
            _verify(build, trail)
        with trail.stage("measure"):
            measurement = _measure(build, trail)
        if incumbent is not None and measure.ahead(measurement, incumbent.measurement):
            with trail.stage("confirm"):
                _confirm(build, measurement, incumbent, trail)
        with trail.stage("profile"):
            trail.profile = diagnose.run(build, task, lab, measurement, None if incumbent is None else incumbent.measurement)
        return trail.end(Verdict.PASSED)
    except Failed as failed:
        return trail.end(failed.verdict, failed.detail)


def repeat(candidate: Candidate, task: Task, lab: Lab, trial: int) -> Evaluation:
    """Another trial of a candidate that passed: fresh contents and processes, against the baseline. It is not confirmed or profiled."""
    trail = _Trail(candidate, task, lab)
    again = digest.of_text("trial", str(trial), lab.secret, digest.candidate(candidate))
    try:
        trail.note(guard.check(candidate, task))
        with trail.stage("build"):
            build = trail.built(lab.toolchain.build(candidate, task))
        trail.note(guard.inspect(build, task))
        with trail.stage("verify"):
            _verify(build, trail, again)
        with trail.stage("measure"):
            _measure(build, trail, again)
        return trail.end(Verdict.PASSED)
    except Failed as failed:
        return trail.end(failed.verdict, failed.detail)


def _verify(build: Build, trail: _Trail, again: str = "") -> None:
    verification = verify.run(build, trail.task, trail.lab, again=again)
    trail.checks += verification.checks
    if verification.verdict is not Verdict.PASSED:
        raise Failed(verification.verdict, verification.detail)


def _measure(build: Build, trail: _Trail, again: str = "") -> Measurement:
    """Against the task's own kernel, in pairs."""
    task, lab = trail.task, trail.lab
    baseline = lab.toolchain.build(digest.baseline(task), task)
    trail.measurement = _timed(build, baseline if baseline.ok else None, trail, again)
    if why := measure.implausible(trail.measurement, task, lab.hardware):
        raise Failed(Verdict.IMPLAUSIBLE, why)
    return trail.measurement


def _timed(build: Build, rival: Build | None, trail: _Trail, again: str = "") -> Measurement:
    """Times, whose own outputs were right."""
    timed = measure.run(build, trail.task, trail.lab, rival=rival, again=again, fresh=bool(again), strict=guard.suspicious(trail.findings))
    if timed.failure is not None or timed.measurement is None:
        raise Failed(timed.failure or Verdict.CRASHED, timed.detail)
    checks = [verify.check(trail.task, planned, call, trail.lab) for planned, call in timed.outputs if call.outputs]
    if again:
        verify.forget(trail.task, [planned for planned, _ in timed.outputs], trail.lab)
    trail.checks += tuple(checks)
    if wrong := [check for check in checks if check.verdict is not Verdict.PASSED]:
        raise Failed(wrong[0].verdict, f"in a timed call: {wrong[0].detail}")
    return timed.measurement


def _confirm(build: Build, first: Measurement, incumbent: Incumbent, trail: _Trail) -> None:
    """A second trial of what looks faster than anything before: sanitised, in fresh processes, on fresh contents, against the incumbent."""
    task, lab = trail.task, trail.lab
    trail.hazards, trail.unsanitised = verify.sanitise(build, task, lab)
    if certain := [hazard for hazard in trail.hazards if not hazard.doubt]:
        raise Failed(Verdict.HAZARD, f"{certain[0].tool}: {certain[0].message}")
    # Contents of its own, as unknown as the secret, and the same where a run is repeated.
    again = digest.of_text("again", lab.secret, digest.candidate(trail.candidate))
    _verify(build, trail, again)
    rival = lab.toolchain.build(incumbent.candidate, task)
    second = _timed(build, rival if rival.ok else None, trail, again)
    if why := measure.implausible(second, task, lab.hardware):
        raise Failed(Verdict.IMPLAUSIBLE, why)
    held, detail = measure.holds(second, first, incumbent.measurement)
    if (why := measure.quarantine(first, task, lab.hardware, speedup=measure.over(first, incumbent.measurement))) and not held:
        raise Failed(Verdict.IMPLAUSIBLE, f"{why}; measured again, that did not hold: {detail}")
    trail.confirmation = Confirmation(against=digest.candidate(incumbent.candidate), measurement=second, held=held, detail=detail)


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
    hazards: tuple[Hazard, ...] = ()
    unsanitised: str = ""
    confirmation: Confirmation | None = None
    profile: Profile | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start

    def note(self, findings: tuple[Finding, ...]) -> None:
        """Keep findings; a forbidden one ends it."""
        self.findings += findings
        if forbidden := [finding for finding in findings if finding.forbidden]:
            raise Failed(Verdict.REJECTED, forbidden[0].message)

    def built(self, build: Build) -> Build:
        self.build = build
        if build.failure is not None:
            raise Failed(build.failure, build.log)
        return build

    def end(self, verdict: Verdict, detail: str = "") -> Evaluation:
        return Evaluation(
            candidate=digest.candidate(self.candidate),
            verdict=verdict,
            detail=detail,
            findings=self.findings,
            build=self.build,
            checks=self.checks,
            measurement=self.measurement,
            hazards=self.hazards,
            unsanitised=self.unsanitised,
            confirmation=self.confirmation,
            profile=self.profile,
            environment=self.lab.environment,
            seconds=dict(self.seconds),
            reference="baseline" if self.task.reference is None else "reference",
        )
