"""One candidate: guard, build, verify, measure, confirm, profile. What the README says of judging is this file.

The candidate's failures are verdicts; only ours raise. There is no branch here on the kind of device, model or strategy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from kernelsearch import diagnose, digest, guard, measure, verify
from kernelsearch.device import held
from kernelsearch.lab import Lab
from kernelsearch.measure.contest import OUTRUN, Contest
from kernelsearch.model import (
    Build,
    Candidate,
    Check,
    Confirmation,
    Environment,
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


STAGES = ("build", "verify", "measure", "profile")  # where an evaluation may be asked to stop, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Halfway:
    """Evidence without a verdict: nothing failed up to and with the stage `until`, and no more was asked for."""

    candidate: str  # digest
    until: str
    findings: tuple[Finding, ...]
    build: Build
    checks: tuple[Check, ...]
    environment: Environment
    seconds: Mapping[str, float]


class Failed(Exception):
    """The candidate did not pass a stage: how, and why."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        super().__init__(detail)
        self.verdict, self.detail = verdict, detail


class _Enough(Exception):
    """What was asked for is done."""


Known = Callable[[str], Evaluation | None]  # the evaluation of a candidate whose build has this `code`


def none_known(code: str) -> None:
    """No candidate was judged before."""


def evaluate(
    candidate: Candidate,
    task: Task,
    lab: Lab,
    incumbent: Incumbent | None = None,
    *,
    known: Known = none_known,
    contest: Contest | None = None,
) -> Evaluation:
    """Judge `candidate`, or give the evaluation of one that was compiled to the same code and is `known`.

    `contest` is that of the run, whose other candidates are judged at the same time. Raises only what is not the candidate's fault:
    `SandboxBroken`, `DeviceLost`, `ToolMissing`, `UsageError`.
    """
    return _judge(_Trail(candidate, task, lab, contest=contest or Contest()), incumbent, known)


def examine(candidate: Candidate, task: Task, lab: Lab, *, until: str, watch: Callable[[str], None]) -> Evaluation | Halfway:
    """The same up to and with the stage `until`; `watch` is told the name of each stage as it begins.

    What fails on the way has its verdict. What does not has one only if it was measured: no kernel passes that was not timed.
    """
    trail = _Trail(candidate, task, lab, watch=watch, until=until)
    try:
        return _judge(trail, None, none_known)
    except _Enough:
        return trail.end(Verdict.PASSED) if trail.measurement is not None else trail.halfway()


def _judge(trail: _Trail, incumbent: Incumbent | None, known: Known) -> Evaluation:
    try:
        with held.counted(trail.ledger):
            if (twin := _passed(trail, incumbent, known)) is not None:
                return twin
        return trail.end(Verdict.PASSED)
    except Failed as failed:
        return trail.end(failed.verdict, failed.detail)


def _passed(trail: _Trail, incumbent: Incumbent | None, known: Known) -> Evaluation | None:
    """All stages; the evaluation of another that was built to the same code, if one is `known`. Raises `Failed`."""
    task = trail.task
    build = _built(trail)
    build = trail.built(replace(build, code=guard.code_digest(build, task)))
    if (twin := known(build.code)) is not None:
        return twin
    measurement = _tried(build, trail)
    if incumbent is not None and measure.ahead(measurement, incumbent.measurement):
        with trail.stage("confirm"):
            _contend(build, measurement, incumbent, trail)
    with trail.stage("profile"):
        trail.profile = _profiled(build, measurement, incumbent, trail)
    return None


def _profiled(build: Build, measurement: Measurement, incumbent: Incumbent | None, trail: _Trail) -> Profile | None:
    before = None if incumbent is None else incumbent.measurement
    best = trail.confirmation is not None and trail.confirmation.held
    return diagnose.run(build, trail.task, trail.lab, measurement, before, source=trail.candidate.source, best=best)


def repeat(candidate: Candidate, task: Task, lab: Lab, trial: int) -> Evaluation:
    """Another trial of a candidate that passed: fresh contents and processes, against the baseline. It is not confirmed or profiled."""
    trail = _Trail(candidate, task, lab)
    again = digest.of_text("trial", str(trial), lab.secret, digest.candidate(candidate))
    try:
        with held.counted(trail.ledger):
            _tried(_built(trail), trail, again)
        return trail.end(Verdict.PASSED)
    except Failed as failed:
        return trail.end(failed.verdict, failed.detail)


def _built(trail: _Trail) -> Build:
    """Built, and looked at by the guard before and behind it."""
    trail.note(guard.check(trail.candidate, trail.task))
    with trail.stage("build"):
        build = trail.built(trail.lab.toolchain.build(trail.candidate, trail.task))
    trail.note(guard.inspect(build, trail.task))
    return build


def _tried(build: Build, trail: _Trail, again: str = "") -> Measurement:
    """Verified and timed."""
    with trail.stage("verify"):
        _verify(build, trail, again)
    with trail.stage("measure"):
        return _measure(build, trail, again)


def _verify(build: Build, trail: _Trail, again: str = "") -> None:
    verification = verify.run(build, trail.task, trail.lab, again=again)
    trail.checks += verification.checks
    if verification.verdict is not Verdict.PASSED:
        raise Failed(verification.verdict, verification.detail)


def _measure(build: Build, trail: _Trail, again: str = "") -> Measurement:
    """Against the task's own kernel, in pairs."""
    task, lab = trail.task, trail.lab
    baseline = lab.toolchain.build(digest.baseline(task), task)
    trail.measurement = _timed(build, baseline if baseline.ok else None, trail, again, energy=lab.energy)
    if why := measure.implausible(trail.measurement, task, lab.hardware):
        raise Failed(Verdict.IMPLAUSIBLE, why)
    return trail.measurement


def _timed(build: Build, rival: Build | None, trail: _Trail, again: str = "", *, energy: bool = False) -> Measurement:
    """Times, whose own outputs were right."""
    strict = guard.suspicious(trail.findings)
    timing = replace(measure.TIMING, energy=energy)
    timed = measure.run(build, trail.task, trail.lab, rival=rival, again=again, fresh=bool(again), strict=strict, timing=timing)
    if timed.failure is not None or timed.measurement is None:
        raise Failed(timed.failure or Verdict.CRASHED, timed.detail)
    checks = [verify.check(trail.task, planned, call, trail.lab) for planned, call in timed.outputs if call.outputs]
    if again:
        verify.forget(trail.task, [planned for planned, _ in timed.outputs], trail.lab)
    trail.checks += tuple(checks)
    if wrong := [check for check in checks if check.verdict is not Verdict.PASSED]:
        raise Failed(wrong[0].verdict, f"in a timed call: {wrong[0].detail}")
    return timed.measurement


def _contend(build: Build, first: Measurement, incumbent: Incumbent, trail: _Trail) -> None:
    """A second trial, unless another candidate of the run has shown meanwhile that this one cannot become the best."""
    with trail.contest.turn(first) as worth:
        if not worth:
            trail.unsanitised = OUTRUN
            return
        _confirm(build, first, incumbent, trail)
        if trail.confirmation is not None and trail.confirmation.held:
            trail.contest.held(first)


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
    watch: Callable[[str], None] | None = None
    until: str = STAGES[-1]
    contest: Contest = field(default_factory=Contest)
    findings: tuple[Finding, ...] = ()
    build: Build | None = None
    checks: tuple[Check, ...] = ()
    measurement: Measurement | None = None
    hazards: tuple[Hazard, ...] = ()
    unsanitised: str = ""
    confirmation: Confirmation | None = None
    profile: Profile | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    ledger: held.Ledger = field(default_factory=held.Ledger)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if name in STAGES and STAGES.index(name) > STAGES.index(self.until):
            raise _Enough
        if self.watch is not None:
            self.watch(name)
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

    def halfway(self) -> Halfway:
        if self.build is None:
            raise AssertionError("an evaluation goes as far as the build at least")
        return Halfway(
            candidate=digest.candidate(self.candidate),
            until=self.until,
            findings=self.findings,
            build=self.build,
            checks=self.checks,
            environment=self.lab.environment,
            seconds=dict(self.seconds),
        )

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
            held_s=self.ledger.seconds,
            reference="baseline" if self.task.reference is None else "reference",
        )
