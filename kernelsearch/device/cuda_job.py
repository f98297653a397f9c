"""A job as files for the runner inside the box, and the outputs that come back: both sides of that border are here.

Nothing that comes back is believed further than its type. Sizes were fixed before the box ran; outputs are bytes to be judged, and must
be those that the box committed itself to by a digest before it knew that they were wanted.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kernelsearch import codec, contents
from kernelsearch.device.base import Call, CallResult, Job, JobResult, Mode, Scalar, Tensor
from kernelsearch.device.border import in_numbers, place
from kernelsearch.errors import UsageError
from kernelsearch.model import Verdict

REPORT_BYTES = 4 << 20
_FAILURES = {verdict.value: verdict for verdict in (Verdict.CRASHED, Verdict.CHEATED)}
_SETS_BYTES = 4 << 30  # of GPU memory for the sets of buffers of one call
_MOST_SETS = 8  # on a GPU


class PlanUnusable(Exception):
    """The candidate's launch plan cannot be evaluated for a call; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the runner writes to result.json: why it ended, and notes."""

    failure: str | None
    detail: str
    calls: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Export:
    """Outputs of call `call` as they were to be written to files `number`, under the digest they were committed to."""

    number: int
    call: int
    digest: int
    seal: int


class Delivery:
    """One job in a box's folders, with files for up to `exports` exports. `close` when the results were taken; outputs stay valid."""

    def __init__(self, job: Job, inputs: Path, outputs: Path, support: Path | None, exports: Sequence[int], cpu: int | None = None) -> None:
        """Put everything in place. `exports`: the call that each export is of; `cpu`: where the runner is to serve timed calls.

        Raises `PlanUnusable`.
        """
        self._job = job
        self._cpu = cpu if job.mode is Mode.TIME else None
        self._inputs = inputs
        self._outputs = outputs
        self._linked: dict[Path, str] = {}
        self._open: list[int] = []  # descriptors
        self._files: dict[tuple[int, str], int] = {}  # (export, tensor) -> descriptor
        self.text = self._text()  # before a descriptor is open: a plan may be unusable
        self._report = self._create("result.json", 0)
        for number, call in enumerate(exports):
            for position, arg in enumerate(job.calls[call].args):
                if isinstance(arg, Tensor) and arg.written:
                    self._files[number, arg.name] = self._create(f"{number}-{position}.bin", arg.nbytes)
        place(Path(job.build.artifact), inputs / "artifact")
        if support is not None:
            place(support, inputs / "support")
        (inputs / "job.json").write_text(self.text)
        (inputs / "job.json").chmod(0o644)

    def report(self) -> Report | None:
        """What the box left behind; None when that is no report."""
        try:
            return codec.load_json(Report, os.pread(self._report, REPORT_BYTES, 0))
        except UsageError:
            return None

    def failure(self, seconds: float) -> JobResult | None:
        """The report as a failed job; None when it tells of no failure, or there is none."""
        report = self.report()
        if report is None or report.failure is None:
            return None
        return JobResult(failure=_FAILURES.get(report.failure, Verdict.CRASHED), detail=report.detail[:2000], seconds=seconds)

    def outputs(self, export: Export) -> dict[str, memoryview] | None:
        """Bytes of every output; None when they are not what the box committed itself to."""
        tensors = self._job.calls[export.call].outputs
        found: dict[str, memoryview] = {}
        for tensor in tensors:
            file = self._files[export.number, tensor.name]
            if os.fstat(file).st_size != tensor.nbytes:
                return None
            found[tensor.name] = memoryview(mmap.mmap(file, tensor.nbytes, access=mmap.ACCESS_READ))
        digest = sum(contents.digest(data, export.seal) for data in found.values()) & (2**64 - 1)
        return found if digest == export.digest else None

    def results(self, exports: Sequence[Export], seconds: float) -> JobResult:
        """A CallResult for each export, in order. The box is dead, so nobody can change a file any more."""
        calls = []
        for export in exports:
            label = self._job.calls[export.call].label
            outputs = self.outputs(export)
            if outputs is None:
                return JobResult(
                    failure=Verdict.CHEATED, detail=f"{label}: an output was changed after the call had ended", seconds=seconds
                )
            sample = self._job.samples[export.number] if self._job.mode is Mode.TIME else None
            calls.append(CallResult(label=label, outputs=outputs, sample=sample))
        return JobResult(calls=tuple(calls), seconds=seconds)

    def close(self) -> None:
        """Harmless when closed already: by then somebody else may have descriptors of the same numbers."""
        self._files.clear()
        while self._open:
            os.close(self._open.pop())

    def _create(self, name: str, nbytes: int) -> int:
        # Kept open, so that what the box does to names in its folder changes nothing for us.
        descriptor = os.open(self._outputs / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        self._open.append(descriptor)
        os.fchmod(descriptor, 0o666)  # the box may run as another user; the folder around both is private
        os.ftruncate(descriptor, nbytes)
        return descriptor

    def _link(self, file: Path) -> str:
        if file not in self._linked:
            self._linked[file] = f"{len(self._linked)}.bin"
            place(file, self._inputs / self._linked[file])
        return self._linked[file]

    def _text(self) -> str:
        """job.json. Keys are in it only where a tool around the runner leaves no room for a conversation."""
        once = self._job.mode is Mode.PROFILE
        return json.dumps(
            {
                "mode": "once" if once else "serve",
                "entry": self._job.entry,
                "torch": None if self._job.torch is None else asdict(self._job.torch),
                "cpu": self._cpu,
                "flush_l2": self._job.timing.flush_l2,
                "calls": [self._call(call, once) for call in self._job.calls],
            }
        )

    def _call(self, call: Call, with_key: bool) -> dict[str, Any]:
        spec: dict[str, Any] = {"label": call.label, "args": [self._arg(arg) for arg in call.args], "scratch": [], "launches": []}
        if with_key:
            spec |= {"key": call.key, "distribution": contents.DISTRIBUTIONS.index(call.distribution)}
        if self._job.plan is not None:
            try:
                spec.update(in_numbers(self._job.plan, call))
            except UsageError as error:
                raise PlanUnusable(f"{call.label}: launch plan: {error}") from error
        return spec

    def _arg(self, arg: Tensor | Scalar) -> dict[str, Any]:
        if isinstance(arg, Scalar):
            return {"dtype": arg.dtype.value, "value": arg.value}
        draw = None
        if arg.recipe is not None and arg.file is None:
            forced = contents.DISTRIBUTIONS.index(arg.recipe.distribution) if arg.recipe.distribution else -1
            draw = {"low": arg.recipe.low, "span": arg.recipe.span, "distribution": forced, "exponent": arg.recipe.exponent}
        return {
            "name": arg.name,
            "dtype": arg.dtype.value,
            "shape": list(arg.shape),
            "count": arg.count,
            "nbytes": arg.nbytes,
            "written": arg.written,
            "input": None if arg.file is None else self._link(arg.file),
            "draw": draw,
        }


def sets_of(call: Call, most: int = _MOST_SETS) -> int:
    """How many sets of buffers to rotate through, so that no address is met again at once; as many calls can be asked for in a row."""
    nbytes = sum(arg.nbytes for arg in call.args if isinstance(arg, Tensor))
    return max(1, min(most, _SETS_BYTES // max(nbytes, 1)))
