"""A GPU emulated on the CPU: device `emulated`. It verifies in full, and models times from counters and a hardware profile.

Every job runs in a fresh box. Verifying runs each call once under one thread order and, where the launches are small, again under
others: outputs that differ by more than rounding mean that a barrier or an atomic is missing. Timing runs each call once and counts in
detail what a sample of blocks does; all blocks run, so that outputs come back there too. In the launcher form the candidate's host code
shares the process that counts, so a modelled time is worth what the guard let through.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelsearch import paths
from kernelsearch.device.base import Call, CallResult, Device, Job, JobResult, KernelCounters, Mode, ProfileResult, Tensor
from kernelsearch.device.emulated_compare import disagreement
from kernelsearch.device.emulated_job import CallReport, Delivery, EmulationError, Report
from kernelsearch.device.emulated_metrics import Evidence, metrics
from kernelsearch.device.model import call_us, modelled, resources_of
from kernelsearch.errors import UsageError
from kernelsearch.model import Build, Hardware, TimeKind, Verdict
from kernelsearch.sandbox.base import Box, BoxResult, Limits, Sandbox

# Thread orders of a verified call: ascending, descending, and a permutation drawn anew after each barrier.
ORDERS = (0, 1, 20_231)
# Threads of a call that is repeated under the other orders: a tenth of a second or so on one core.
REPEAT_THREADS = 1 << 16
# Blocks of a launch that are counted one access at a time. Kernels do nearly the same in every block; edges are among the sample.
SAMPLED_BLOCKS = 16
# Threads of one launch that the device takes on. A fiber costs about a tenth of a microsecond beside its own work, so that more would
# mean minutes for a call.
MAX_THREADS = 1 << 25

_VERDICTS = {"readonly": Verdict.CHEATED, "guard": Verdict.CHEATED, "unsupported": Verdict.UNSUPPORTED}
_PASSING_SIGNALS = (signal.SIGKILL, signal.SIGTERM)


class EmulatedDevice(Device):
    """See `device.base.Device`. `hardware` is the GPU whose times are modelled; `scratch` takes the folders of jobs."""

    def __init__(self, *, sandbox: Sandbox, scratch: Path, hardware: Hardware) -> None:
        self._sandbox = sandbox
        self._scratch = scratch
        self._hardware = hardware

    @property
    def name(self) -> str:
        return f"emulated {self._hardware.name}"

    @property
    def time_kind(self) -> TimeKind:
        return TimeKind.MODELLED

    @property
    def hardware(self) -> Hardware:
        return self._hardware

    @property
    def facts(self) -> Mapping[str, str]:
        return {"time model": "counters of sampled blocks and a hardware profile; see kernelsearch/device/model.py"}

    def run(self, job: Job) -> JobResult:
        started = time.monotonic()
        with _Folder(self._scratch) as folder:
            try:
                delivery, end = self._box(job, folder)
            except UsageError as error:
                return JobResult(failure=Verdict.CRASHED, detail=f"launch plan: {error}", seconds=time.monotonic() - started)
            failure = _failure(job, delivery, end)
            if failure is not None:
                return JobResult(failure=failure[0], detail=failure[1], seconds=time.monotonic() - started)
            report = delivery.report()
            if report is None or len(report.calls) != len(job.calls):
                raise AssertionError("checked by _failure")
            calls = tuple(self._result(job, delivery, index, call) for index, call in enumerate(report.calls))
        return JobResult(calls=calls, seconds=time.monotonic() - started)

    def profile(self, job: Job, metrics: Sequence[str]) -> ProfileResult:
        """All launches of the job's first call. Metrics that have no meaning here are left out."""
        started = time.monotonic()
        only = Job(build=job.build, entry=job.entry, plan=job.plan, calls=job.calls[:1], mode=Mode.PROFILE, timeout_s=job.timeout_s)
        with _Folder(self._scratch) as folder:
            try:
                delivery, end = self._box(only, folder)
            except UsageError as error:
                return ProfileResult(missing=f"launch plan: {error}", seconds=time.monotonic() - started)
            failure = _failure(only, delivery, end)
            report = delivery.report()
        if failure is not None or report is None:
            words = f"{failure[0].value}: {failure[1]}" if failure else "no report"
            return ProfileResult(missing=f"the emulated run failed: {words}", seconds=time.monotonic() - started)
        kernels = tuple(
            KernelCounters(kernel=evidence.launch.kernel, metrics=_named(evidence, metrics))
            for evidence in self._evidence(job.build, report.calls[0])
        )
        return ProfileResult(kernels=kernels, seconds=time.monotonic() - started)

    def close(self) -> None:
        """Nothing is kept running between jobs."""

    def _box(self, job: Job, folder: Path) -> tuple[Delivery, BoxResult]:
        verify = job.mode is Mode.VERIFY
        delivery = Delivery(
            job,
            folder,
            orders=ORDERS if verify else ORDERS[:1],
            repeat_threads=REPEAT_THREADS,
            sampled_blocks=0 if verify else SAMPLED_BLOCKS,
        )
        runner = paths.data("sandbox") / "runner" / "emulated.py"
        largest = max((arg.nbytes for call in job.calls for arg in call.args if isinstance(arg, Tensor)), default=0)
        end = self._sandbox.run(
            Box(
                command=(sys.executable, "-I", "-S", str(runner), str(delivery.inputs), str(delivery.outputs)),
                readable=(delivery.inputs, runner),
                writable=(delivery.outputs,),
                env={"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"},
                limits=Limits(seconds=job.timeout_s, file_bytes=max(largest, 64 << 20)),
            )
        )
        return delivery, end

    def _result(self, job: Job, delivery: Delivery, index: int, report: CallReport) -> CallResult:
        outputs = {tensor.name: delivery.output(index, tensor, 0) or b"" for tensor in _written(job.calls[index])}
        if job.mode is not Mode.TIME:
            return CallResult(label=report.label, outputs=outputs)
        evidence = self._evidence(job.build, report)
        us = call_us([item.time for item in evidence], self._hardware)
        counters: dict[str, float] = {}
        for item in evidence:
            for name, value in (*item.launch.counters.items(), *((f"modelled us: {term}", us) for term, us in item.time.terms.items())):
                counters[name] = counters.get(name, 0.0) + value
        return CallResult(label=report.label, outputs=outputs, samples_us=(us,), counters=counters)

    def _evidence(self, build: Build, report: CallReport) -> list[Evidence]:
        """Counters and modelled time of each launch, in order."""
        share = _fp64_share(build.instructions)
        found = []
        for reported in report.runs[0].launches:
            launch = reported.counts()
            if launch is not None:
                resources = resources_of(launch.kernel, build.resources)
                timed = modelled(launch, self._hardware, resources, share)
                found.append(Evidence(launch=launch, time=timed, hardware=self._hardware, resources=resources))
        return found


class _Folder:
    """A job's private folder, gone afterwards."""

    def __init__(self, scratch: Path) -> None:
        self._path = scratch / f"emulated-{os.getpid()}-{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def _written(call: Call) -> list[Tensor]:
    return [arg for arg in call.args if isinstance(arg, Tensor) and arg.written]


def _failure(job: Job, delivery: Delivery, end: BoxResult) -> tuple[Verdict, str] | None:
    """Why the job has no results, as far as the device can tell."""
    if end.timed_out:
        return Verdict.TIMED_OUT, f"{delivery.progress() or 'the job'}: no end after {job.timeout_s:g} s"
    report = delivery.report()
    if report is None or end.returncode != 0:
        return Verdict.CRASHED, f"{delivery.progress()}: {_died(end)}"
    if report.stopped is not None:
        return _verdict(report.stopped), f"{delivery.progress()}: {_words(report.stopped)}"
    for call, reported in zip(job.calls, report.calls, strict=False):
        if failure := _call_failure(call, reported):
            return failure
    if len(report.calls) != len(job.calls) or not all(call.runs for call in report.calls):
        return Verdict.CRASHED, "the process ended before its last call"
    return _unsteady(job, delivery, report)


def _call_failure(call: Call, report: CallReport) -> tuple[Verdict, str] | None:
    for number, run in enumerate(report.runs):
        order = " (under another thread order)" if number else ""
        if run.error is not None:
            return _verdict(run.error), f"{call.label}: {_words(run.error)}{order}"
        if run.changed is not None:
            return Verdict.CHEATED, f"{call.label}: input {run.changed} was changed"
    return None


def _unsteady(job: Job, delivery: Delivery, report: Report) -> tuple[Verdict, str] | None:
    """Outputs that are missing, or that depend on the order of threads."""
    for index, (call, reported) in enumerate(zip(job.calls, report.calls, strict=True)):
        for tensor in _written(call):
            found = [delivery.output(index, tensor, number) for number in range(len(reported.runs))]
            first = found[0]
            if first is None or None in found:
                return Verdict.CRASHED, f"{call.label}: the output {tensor.name} did not come back whole"
            for other in found[1:]:
                if other is not None and (where := disagreement(tensor.dtype, first, other)):
                    return Verdict.NONDETERMINISTIC, (
                        f"{call.label}: {tensor.name}[{where[0]}] depends on the order in which threads run ({where[1]}): "
                        "a barrier or an atomic is missing, or an element is never written"
                    )
    return None


def _verdict(error: EmulationError) -> Verdict:
    return _VERDICTS.get(error.kind, Verdict.CRASHED)


def _words(error: EmulationError) -> str:
    return f"{error.message[:1500]}{f' (line {error.line})' if error.line else ''}"


def _died(end: BoxResult) -> str:
    if end.returncode < 0 and -end.returncode in set(signal.Signals):
        name = signal.Signals(-end.returncode).name
        return f"the process was ended by {name}" if -end.returncode in _PASSING_SIGNALS else f"host code died of {name}"
    last = end.stderr.strip().splitlines()
    return f"the process ended without a report, exit code {end.returncode}" + (f": {last[-1][:300]}" if last else "")


def _fp64_share(instructions: Mapping[str, int]) -> float:
    """Double-precision part of the compiled instructions, by their SASS names (DFMA, DADD, DMUL, DSETP, F2F.F64…); 0 when unknown."""
    total = sum(instructions.values())
    double = sum(count for name, count in instructions.items() if name.startswith(("DFMA", "DADD", "DMUL", "DSETP")) or ".F64" in name)
    return double / total if total else 0.0


_named = metrics
