"""A job as files for the runner inside the box, and the runner's report as a result: both sides of that border are here.

Nothing that comes back is believed further than its type: sizes were fixed before the box ran, the report is checked field by field,
and times must fit into the time that the box took by our own clock.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kernelsearch import codec
from kernelsearch.device.base import Call, CallResult, Job, JobResult, Mode, Scalar, Tensor
from kernelsearch.device.border import in_numbers, place
from kernelsearch.errors import UsageError
from kernelsearch.model import Verdict

REPORT_BYTES = 4 << 20
_FAILURES = {verdict.value: verdict for verdict in (Verdict.CRASHED, Verdict.CHEATED)}


class PlanUnusable(Exception):
    """The candidate's launch plan cannot be evaluated for a call; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallReport:
    label: str
    samples_us: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What the runner writes to result.json."""

    failure: str | None
    detail: str
    calls: tuple[_CallReport, ...]
    notes: Mapping[str, str] = field(default_factory=dict)


class Delivery:
    """One job in a box's folders. `close` when the results were taken; the outputs stay valid."""

    def __init__(self, job: Job, inputs: Path, outputs: Path) -> None:
        """Put everything in place. Raises `PlanUnusable`."""
        self._job = job
        self._inputs = inputs
        self._outputs = outputs
        self._linked: dict[Path, str] = {}
        self._files: dict[tuple[str, str], int] = {}  # (call, tensor) -> descriptor
        self._report = self._create("result.json", 0)
        place(Path(job.build.artifact), inputs / "artifact")
        text = json.dumps(
            {
                "mode": job.mode.value,
                "entry": job.entry,
                "timing": asdict(job.timing),
                "calls": [self._call(call, index) for index, call in enumerate(job.calls)],
            }
        )
        (inputs / "job.json").write_text(text)
        (inputs / "job.json").chmod(0o644)

    def result(self, seconds: float) -> JobResult | None:
        """What the box left behind, after `seconds` of its wall clock; None when that is no report."""
        text = os.pread(self._report, REPORT_BYTES, 0)
        try:
            report = codec.load_json(_Report, text)
        except UsageError:
            return None
        if report.failure is not None:
            return JobResult(failure=_FAILURES.get(report.failure, Verdict.CRASHED), detail=report.detail[:2000], seconds=seconds)
        if problem := self._problem(report, seconds):
            return JobResult(failure=Verdict.CHEATED, detail=problem, seconds=seconds)
        calls = tuple(
            CallResult(label=call.label, outputs=self._take(call), samples_us=found.samples_us)
            for call, found in zip(self._job.calls, report.calls, strict=True)
        )
        return JobResult(calls=calls, conditions=report.notes, seconds=seconds)

    def close(self) -> None:
        for descriptor in (self._report, *self._files.values()):
            os.close(descriptor)
        self._files.clear()

    def _problem(self, report: _Report, seconds: float) -> str | None:
        """Why a report of success is not one that the runner writes. Only a candidate's own host code could have forged it."""
        if [call.label for call in report.calls] != [call.label for call in self._job.calls]:
            return "the report does not name the calls that were asked for"
        samples = [sample for call in report.calls for sample in call.samples_us]
        if not all(math.isfinite(sample) and sample > 0 for sample in samples) or sum(samples) > seconds * 1e6:
            return "the reported times cannot be true"
        wanted = range(1, self._job.timing.max_samples + 1) if self._job.mode is Mode.TIME else range(1)
        if any(len(call.samples_us) not in wanted for call in report.calls):
            return "the report does not hold the samples that were asked for"
        if any(os.fstat(self._files[call.label, t.name]).st_size != t.nbytes for call in self._job.calls for t in _written(call)):
            return "an output file changed its size"
        return None

    def _take(self, call: Call) -> dict[str, memoryview]:
        # The box is dead, so nobody can shorten a file under its mapping.
        files = ((t.name, self._files[call.label, t.name], t.nbytes) for t in _written(call))
        return {name: memoryview(mmap.mmap(file, nbytes, access=mmap.ACCESS_READ)) for name, file, nbytes in files}

    def _create(self, name: str, nbytes: int) -> int:
        # Kept open, so that what the box does to names in its folder changes nothing for us.
        descriptor = os.open(self._outputs / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        os.fchmod(descriptor, 0o666)  # the box may run as another user; the folder around both is private
        os.ftruncate(descriptor, nbytes)
        return descriptor

    def _link(self, file: Path) -> str:
        if file not in self._linked:
            self._linked[file] = f"{len(self._linked)}.bin"
            place(file, self._inputs / self._linked[file])
        return self._linked[file]

    def _call(self, call: Call, index: int) -> dict[str, Any]:
        args: list[dict[str, Any]] = []
        for position, arg in enumerate(call.args):
            if isinstance(arg, Scalar):
                args.append({"dtype": arg.dtype.value, "value": arg.value})
                continue
            output = f"{index}-{position}.bin" if arg.written else None
            if output is not None:
                self._files[call.label, arg.name] = self._create(output, arg.nbytes)
            contents = None if arg.file is None else self._link(arg.file)
            args.append({"name": arg.name, "nbytes": arg.nbytes, "input": contents, "output": output})
        spec: dict[str, Any] = {"label": call.label, "args": args, "scratch": [], "launches": []}
        if self._job.plan is not None:
            try:
                spec.update(in_numbers(self._job.plan, call))
            except UsageError as error:
                raise PlanUnusable(f"{call.label}: launch plan: {error}") from error
        return spec


def _written(call: Call) -> list[Tensor]:
    return [arg for arg in call.args if isinstance(arg, Tensor) and arg.written]
