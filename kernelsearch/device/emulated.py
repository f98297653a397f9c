"""A GPU emulated on the CPU: device `emulated`. It verifies in full, and models times from counters and a hardware profile.

Every job runs in a fresh box. Verifying runs each call once under one thread order and, where the launches are small, again under
others: outputs that differ by more than rounding mean that a barrier or an atomic is missing. Timing runs each call once and counts in
detail what a sample of blocks does; all blocks run, so that outputs come back there too. In the launcher form the candidate's host code
shares the process that counts, so a modelled time is worth what the guard let through.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kernelsearch import paths
from kernelsearch.device import emulated_metrics, held
from kernelsearch.device.base import Call, CallResult, Device, Job, JobResult, KernelCounters, Mode, ProfileResult, Rung, Tensor
from kernelsearch.device.emulated_job import CallReport, Delivery
from kernelsearch.device.emulated_metrics import Evidence
from kernelsearch.device.emulated_outcome import Outcome, outcome
from kernelsearch.device.model import call_us, modelled, resources_of
from kernelsearch.errors import UsageError
from kernelsearch.model import Build, Hardware, TimeKind, Verdict
from kernelsearch.sandbox.base import Box, Limits, Sandbox
from kernelsearch.sanitizer import SanitizerReport

# Thread orders of a verified call: ascending, descending, and a permutation drawn anew after each barrier.
ORDERS = (0, 1, 20_231)
# Threads of a call that is repeated under the other orders: tenths of a second on one core, unless a thread does a lot.
REPEAT_THREADS = 1 << 18
# Blocks of a launch that are counted one access at a time. Kernels do nearly the same in every block; edges are among the sample.
SAMPLED_BLOCKS = 16
# Threads of one planned launch that the device takes on. Some ten million simple threads run in a second (sandbox/emulation/README.md),
# so that more would mean half a minute for a single call. What a launcher launches shows only as it runs; there the time limit decides.
MAX_THREADS = 1 << 28
# Timed calls whose counts are kept for a profile: more than there are timed cases of the candidates that are judged at once.
_KEPT_CALLS = 64


class EmulatedDevice(Device):
    """See `device.base.Device`. `hardware` is the GPU whose times are modelled; `scratch` takes the folders of jobs."""

    def __init__(self, *, sandbox: Sandbox, scratch: Path, hardware: Hardware) -> None:
        self._sandbox = sandbox
        self._scratch = scratch
        self._hardware = hardware
        self._counted = _Counted()

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

    @property
    def draws(self) -> bool:
        return False

    def run(self, job: Job, rung: Rung | None = None) -> JobResult:
        """All calls of the job: they are small here, and starting a process costs more than the rest of them."""
        started = time.monotonic()
        done = self._attempt(job)
        if job.mode is Mode.TIME:
            self._counted.keep(job, done)
        calls = tuple(self._result(job, report, outputs) for report, outputs in zip(done.calls, done.outputs, strict=True))
        return JobResult(failure=done.failure, detail=done.detail, calls=calls, seconds=time.monotonic() - started)

    def profile(self, job: Job, metrics: Sequence[str]) -> ProfileResult:
        """All launches of the job's first call; one that was timed counted already, and is not run again.

        Metrics that have no meaning here are left out.
        """
        started = time.monotonic()
        only = Job(build=job.build, entry=job.entry, plan=job.plan, calls=job.calls[:1], mode=Mode.PROFILE, timeout_s=job.timeout_s)
        kept = self._counted.find(only)
        done = Outcome(calls=(kept,)) if kept else self._attempt(only)
        missing = f"the emulated run failed: {done.failure.value}: {done.detail}" if done.failure else ""
        kernels = tuple(
            KernelCounters(kernel=evidence.launch.kernel, metrics=emulated_metrics.metrics(evidence, metrics))
            for report in done.calls
            for evidence in self._evidence(job.build, report)
        )
        return ProfileResult(kernels=kernels, missing=missing, seconds=time.monotonic() - started)

    def sanitize(self, job: Job) -> tuple[SanitizerReport, ...]:
        """Nothing to add: every access was checked, and thread orders were tried, when the candidate was verified."""
        return ()

    def close(self) -> None:
        """Nothing is kept running between jobs."""

    def _attempt(self, job: Job) -> Outcome:
        """Run the job in a box of its own, and read what it left."""
        verify = job.mode is Mode.VERIFY
        with _folder(self._scratch) as folder:
            try:
                delivery = Delivery(
                    job,
                    folder,
                    orders=ORDERS if verify else ORDERS[:1],
                    repeat_threads=REPEAT_THREADS,
                    sampled_blocks=0 if verify else SAMPLED_BLOCKS,
                )
            except UsageError as error:
                return Outcome(failure=Verdict.CRASHED, detail=f"launch plan: {error}")
            if delivery.threads > MAX_THREADS:
                detail = f"a launch of {delivery.threads} threads; the emulated device takes {MAX_THREADS} at most: use a smaller case"
                return Outcome(failure=Verdict.UNSUPPORTED, detail=detail)
            with held.holding(self.name):
                end = self._sandbox.run(_box(job, delivery))
            return outcome(job, delivery, end)

    def _result(self, job: Job, report: CallReport, outputs: Mapping[str, bytes]) -> CallResult:
        if job.mode is not Mode.TIME:
            return CallResult(label=report.label, outputs=outputs)
        evidence = self._evidence(job.build, report)
        counters: dict[str, float] = {}
        for item in evidence:
            terms = {f"modelled us: {term}": us for term, us in item.time.terms.items()}
            for name, value in (*item.launch.counters.items(), *terms.items()):
                counters[name] = counters.get(name, 0.0) + value
        us = call_us([item.time for item in evidence], self._hardware)
        return CallResult(label=report.label, outputs=outputs, samples_us=(us,), counters=counters)

    def _evidence(self, build: Build, report: CallReport) -> list[Evidence]:
        """Counters and modelled time of each launch, in order."""
        share = _fp64_share(build.instructions)
        found = []
        for launch in (reported.counts() for reported in report.runs[0].launches):
            if launch is not None:
                resources = resources_of(launch.kernel, build.resources)
                timed = modelled(launch, self._hardware, resources, share)
                found.append(Evidence(launch=launch, time=timed, hardware=self._hardware, resources=resources))
        return found


class _Counted:
    """What the latest timed calls counted, by artifact (named by its content) and label. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Call, CallReport]] = OrderedDict()

    def keep(self, job: Job, done: Outcome) -> None:
        with self._lock:
            for call, report in zip(job.calls, done.calls, strict=False):  # a job that failed has no reports
                self._kept[job.build.artifact, call.label] = call, report
            while len(self._kept) > _KEPT_CALLS:
                self._kept.popitem(last=False)

    def find(self, job: Job) -> CallReport | None:
        """The report of the job's one call, made by the same artifact on the same arguments."""
        (call,) = job.calls
        with self._lock:
            known, report = self._kept.get((job.build.artifact, call.label), (None, None))
        return report if known == call else None


def _box(job: Job, delivery: Delivery) -> Box:
    """No limit on address space: the runtime reserves tens of GiB and touches little of it."""
    runner = paths.data("sandbox") / "runner" / "emulated.py"
    largest = max((arg.nbytes for call in job.calls for arg in call.args if isinstance(arg, Tensor)), default=0)
    return Box(
        command=(sys.executable, "-I", "-S", str(runner), str(delivery.inputs), str(delivery.outputs)),
        readable=(delivery.inputs, runner),
        writable=(delivery.outputs,),
        env={"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"},
        limits=Limits(seconds=job.timeout_s, file_bytes=max(largest, 64 << 20)),
    )


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    """A job's private folder, gone afterwards."""
    path = scratch / f"emulated-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _fp64_share(instructions: Mapping[str, int]) -> float:
    """Double-precision part of the compiled instructions, by their SASS names (DFMA, DADD, DMUL, DSETP, F2F.F64…); 0 when unknown."""
    total = sum(instructions.values())
    double = sum(count for name, count in instructions.items() if name.startswith(("DFMA", "DADD", "DMUL", "DSETP")) or ".F64" in name)
    return double / total if total else 0.0
