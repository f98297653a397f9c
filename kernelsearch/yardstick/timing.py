"""Our end: prepares each timed case, has the outputs judged, and takes the GPU alone for the timing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from kernelsearch import verify, workload
from kernelsearch.device import ON_GPU, inventory
from kernelsearch.device.base import CallResult
from kernelsearch.device.pool import GpuLock
from kernelsearch.errors import UsageError
from kernelsearch.lab import Lab
from kernelsearch.model import Task, Verdict
from kernelsearch.oracle.client import Process
from kernelsearch.oracle.wire import Array
from kernelsearch.verify import expected
from kernelsearch.workload import Planned

WAYS = ("eager", "compile")  # how torch runs a function; for cupy there is one way, which goes with the first
_MODULE = "kernelsearch.yardstick.worker"
_SECONDS = 600.0  # for one answer: torch.compile may take minutes
_COMPILERS = {"eager": "", "compile": "inductor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Times in µs by what was timed, such as "torch eager"; and why something has none."""

    times: Mapping[str, float]
    remarks: tuple[str, ...] = ()


class Lock(Protocol):
    """What `GpuLock` offers."""

    def alone(self, *, quiet: bool) -> AbstractContextManager[None]: ...

    def beside(self) -> AbstractContextManager[None]: ...


class Wrong(Exception):
    """A yardstick that cannot be used; says why."""


def inapplicable(task: Task, device: str) -> str | None:
    """Why no library can be timed for `task` on `device`, as a specification names it; empty where the task has no yardstick at all."""
    if task.yardstick is None and task.torch is None:
        return ""
    kind = device.partition(":")[0]
    if kind in ON_GPU or (kind == "auto" and inventory.detect()):
        return None
    return "no library times: there is no GPU, and elsewhere a library's time says nothing of one"


def measure(task: Task, lab: Lab, ways: Sequence[str]) -> Measured:
    """Time the libraries of `task` on the GPU of `lab`. What fails is a remark."""
    uuid = lab.environment.facts.get("gpu uuid")
    if uuid is None:
        return Measured(times={}, remarks=(f"no library times: {lab.environment.device} is no GPU",))
    # Named by its UUID, so that the process sees this GPU and no other, whatever its number is.
    with closing(Process("cuda", module=_MODULE, more={"CUDA_VISIBLE_DEVICES": uuid})) as process:
        return through(process, task, lab, ways, GpuLock(uuid))


def through(process: Process, task: Task, lab: Lab, ways: Sequence[str], lock: Lock) -> Measured:
    """Time by way of `process`, which holds what it prepared last."""
    times: dict[str, float] = {}
    remarks: list[str] = []
    try:
        planned = workload.prepare(task, lab.scratch, lab.secret, draws=lab.device.draws).timed
        expected.ensure(task, planned, lab)  # before the lock: a baseline would wait for it
    except UsageError as error:
        return Measured(times={}, remarks=(f"no library times: {error}",))
    for way, name in _names(task, ways).items():
        try:
            medians = [_case(process, task, one, lab, way, lock) for one in planned]
        except (UsageError, Wrong) as error:
            remarks.append(f"{name} has no time: {error}")
        else:
            times[name] = math.exp(statistics.fmean(map(math.log, medians)))
    return Measured(times=times, remarks=tuple(remarks))


def _names(task: Task, ways: Sequence[str]) -> dict[str, str]:
    library = "torch" if task.yardstick is None else task.yardstick.library
    return {way: f"{library} {way}" for way in ways} if library == "torch" else dict.fromkeys(ways[:1], library)


def _case(process: Process, task: Task, planned: Planned, lab: Lab, way: str, lock: Lock) -> float:
    """The median in µs of one timed case."""
    request = {"op": "prepare", **_what(task), "compiler": _COMPILERS[way], "tensors": _tensors(task, planned)}
    request |= {"values": dict(task.values(planned.case)), "outputs": {arg.name: arg.dtype.value for arg in task.outputs}}
    given = {arg.name: _raw(planned, arg.name, task) for arg in task.inputs}
    with lock.beside():
        answer, outputs = process.ask(request, given, _SECONDS)
    if problem := answer.get("error"):
        raise Wrong(problem)
    found = CallResult(label=planned.call.label, outputs={name: values.tobytes() for name, values in outputs.items()})
    check = verify.check(task, planned, found, lab)
    if check.verdict is not Verdict.PASSED:
        raise Wrong(f"its outputs are not the task's: {check.detail}")
    with lock.alone(quiet=True):
        answer, _ = process.ask({"op": "time"}, {}, _SECONDS)
    if problem := answer.get("error"):
        raise Wrong(problem)
    return float(statistics.median(answer["times_us"]))


def _what(task: Task) -> dict[str, Any]:
    """What is called: the task's yardstick, or else the module of a PyTorch problem."""
    if task.yardstick is not None:
        return {"library": task.yardstick.library, "source": task.yardstick.source, "function": task.yardstick.function, "call": None}
    if task.torch is None or task.reference is None:
        raise ValueError(f"task {task.name!r} has no yardstick")
    return {"library": "torch", "source": task.reference.source, "function": task.reference.function, "call": asdict(task.torch)}


def _tensors(task: Task, planned: Planned) -> dict[str, Any]:
    return {arg.name: {"dtype": arg.dtype.value, "shape": planned.shapes[arg.name]} for arg in task.inputs}


def _raw(planned: Planned, name: str, task: Task) -> Array:
    """Contents of an input as they are stored: bfloat16 as its bits."""
    values = planned.inputs()[name]
    return np.frombuffer(workload.encode(values, task.arg(name).dtype), dtype=np.uint8)
