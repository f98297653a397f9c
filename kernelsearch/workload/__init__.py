"""The concrete calls of a task: which contents go into which arguments.

Contents are drawn from a key (see `contents`), and keys follow from the run's secret, the task, the case, the distribution and the purpose;
nobody beside a candidate can know one before its call. What a task's own Python makes (a permutation, a CSR row pointer) is a file, made
once, read-only, and shared by every candidate; so is everything for a device that does not draw by itself. Float contents are rounded to
their type before anyone sees them, so the reference computes on what the candidate got.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kernelsearch import contents, digest
from kernelsearch.device.base import Call, Job, Mode, Sample, Scalar, Tensor
from kernelsearch.model import Arg, Build, Case, Distribution, DType, Form, Task
from kernelsearch.model.expression import Number
from kernelsearch.store.files import write_once
from kernelsearch.workload.drawing import Drawing, key_of
from kernelsearch.workload.elements import Array, decode, encode, numpy_dtype
from kernelsearch.workload.own_python import call_reference, reference_name

__all__ = [
    "Array",
    "Planned",
    "Workload",
    "call_reference",
    "decode",
    "encode",
    "job",
    "numpy_dtype",
    "prepare",
    "reference_name",
    "sample_of",
]

# Timed calls whose outputs are verified: as many as keep the expected values of a case below this, and two at least.
_SAMPLES_BYTES, _FEWEST_SAMPLES, _MOST_SAMPLES = 512 << 20, 2, 4
# Calls that were planned before: every candidate of a run asks for the same ones, and what a task's own Python makes can take seconds.
_plans: OrderedDict[tuple[object, ...], Planned] = OrderedDict()
_plans_lock = threading.Lock()
_MOST_PLANS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One call to make, and where its contents come from. `key` chose what is drawn; `shapes` are those of the tensors, by name."""

    call: Call
    case: Case
    distribution: Distribution
    key: int
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def inputs(self) -> dict[str, Array]:
        """Contents of every tensor that the kernel reads, in its shape."""
        return {arg.name: self._contents(arg) for arg in self.call.args if isinstance(arg, Tensor) and (arg.file or arg.recipe)}

    def _contents(self, arg: Tensor) -> Array:
        if arg.file is not None:
            return decode(arg.file.read_bytes(), arg.dtype, self.shapes[arg.name])
        if arg.recipe is None:
            raise ValueError(f"{arg.name} is not read")
        stored = contents.draw(arg.recipe, self.key, self.distribution.value)
        return decode(stored.data.cast("B"), arg.dtype, self.shapes[arg.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The calls of one task for one secret. Reading a property writes the files that are not there yet into `folder`.

    `draws`: the device makes drawn contents by itself.
    """

    task: Task
    digest: str  # of the task
    folder: Path
    secret: str
    draws: bool = False

    @property
    def calls(self) -> tuple[Planned, ...]:
        """Every case x distribution to verify one by one, smallest first: the cases that are not timed, or all where every one is.

        Timed cases are verified by the outputs of timed calls.
        """
        cases = tuple(case for case in self.task.cases if not case.timed) or self.task.cases
        pairs = [(case, distribution) for case in sorted(cases, key=self._bytes) for distribution in self.task.distributions]
        return tuple(self._plan(case, distribution, "verified") for case, distribution in pairs)

    @property
    def timed(self) -> tuple[Planned, ...]:
        """One call for each timed case. Its contents are the first sample's."""
        return tuple(self._plan(case, self.task.distributions[0], "sample 0") for case in self.task.timed_cases)

    def samples(self, purpose: str = "sample", *, twice: bool = False) -> tuple[Planned, ...]:
        """Contents that some of the timed calls get and whose outputs are verified: of each timed case, on several distributions.

        Another `purpose` gives contents that no call has seen. Structured inputs stay those of the timed call: they are files. `twice` as
        many are for candidates under suspicion.
        """
        found = []
        for timed in self.timed:
            kinds = [self.task.distributions[0], *self.task.distributions] * (2 if twice else 1)
            for number, distribution in enumerate(kinds[: self._sample_count(timed) * (2 if twice else 1)]):
                name = self._name(timed.case, distribution, f"{purpose} {number}")
                # A file holds the timed call's own contents: only what is not drawn is the same here.
                args = tuple(replace(arg, file=None) if isinstance(arg, Tensor) and arg.recipe else arg for arg in timed.call.args)
                found.append(self._planned(name, timed.case, distribution, args))
        return tuple(found)

    def _sample_count(self, planned: Planned) -> int:
        expected = sum(8 * int(np.prod(planned.shapes[arg.name], dtype=np.int64)) for arg in self.task.outputs)
        return max(_FEWEST_SAMPLES, min(_MOST_SAMPLES, _SAMPLES_BYTES // max(expected, 1)))

    def _bytes(self, case: Case) -> int:
        tensors = [arg for arg in self.task.args if arg.is_tensor]
        return sum(int(np.prod(self.task.shape(arg, case), dtype=np.int64)) * arg.dtype.size for arg in tensors)

    def _plan(self, case: Case, distribution: Distribution, purpose: str) -> Planned:
        key = (str(self.folder), self.secret, self.digest, self.draws, case.name, distribution, purpose)
        with _plans_lock:
            if (kept := _plans.get(key)) is not None:
                return kept
        planned = self._made(case, distribution, purpose)
        with _plans_lock:
            _plans[key] = planned
            while len(_plans) > _MOST_PLANS:
                _plans.popitem(last=False)
        return planned

    def _made(self, case: Case, distribution: Distribution, purpose: str) -> Planned:
        name = self._name(case, distribution, purpose)
        drawing = Drawing(self.task, case, distribution, name)
        return self._planned(name, case, distribution, [self._argument(number, arg, drawing) for number, arg in enumerate(self.task.args)])

    def _name(self, case: Case, distribution: Distribution, purpose: str) -> str:
        return digest.of_text(self.secret, self.digest, case.name, distribution.value, purpose)

    def _planned(self, name: str, case: Case, distribution: Distribution, args: Sequence[Tensor | Scalar]) -> Planned:
        key = key_of(name)
        values = {**self.task.values(case), **{arg.name: arg.value for arg in args if isinstance(arg, Scalar)}}
        # The label is seen inside the box: it tells calls apart without giving the key away.
        call = Call(
            label=f"{case.name}/{distribution.value}/{digest.of_text('label', name)[:8]}",
            args=tuple(args),
            values=values,
            distribution=distribution.value,
            key=key,
            decoys=tuple(other.value for other in self.task.distributions[1:]),
        )
        shapes = {arg.name: self.task.shape(arg, case) for arg in self.task.args if arg.is_tensor}
        return Planned(call=call, case=case, distribution=distribution, key=key, shapes=shapes)

    def _argument(self, position: int, arg: Arg, drawing: Drawing) -> Tensor | Scalar:
        if not arg.is_tensor:
            value = self.task.values(drawing.case)[arg.name]
            return Scalar(name=arg.name, dtype=arg.dtype, value=_rounded(value, arg.dtype))
        shape = self.task.shape(arg, drawing.case)
        recipe = drawing.recipe(arg, position) if arg.is_read else None
        file = None
        if arg.is_read and (recipe is None or not self.draws):
            file = self.folder / f"{drawing.name}.{arg.name}"
            if not file.exists():
                write_once(file, drawing.raw(arg, recipe))
        count = int(np.prod(shape, dtype=np.int64))
        return Tensor(name=arg.name, dtype=arg.dtype, count=count, shape=shape, file=file, recipe=recipe, written=arg.is_written)


def job(build: Build, task: Task, calls: Iterable[Call], mode: Mode, *, timeout_s: float = 30.0) -> Job:
    """What a device is asked to do with a build of `task`, entered as its form says."""
    module = task.torch if task.form is Form.TORCH else None
    return Job(build=build, entry=task.entry, plan=build.plan, torch=module, calls=tuple(calls), mode=mode, timeout_s=timeout_s)


def sample_of(planned: Planned, timed: Sequence[Planned]) -> Sample:
    """`planned`, of the case of one of the `timed` calls, as a device is told of it."""
    cases = [other.case.name for other in timed]
    return Sample(call=cases.index(planned.case.name), key=planned.key, distribution=planned.distribution.value)


def prepare(task: Task, scratch: Path, secret: str, *, draws: bool = False) -> Workload:
    """The workload of `task`; its files lie under `scratch`. Raises `UsageError` when contents cannot be made."""
    folder = scratch / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    return Workload(task=task, digest=digest.task(task), folder=folder, secret=secret, draws=draws)


def _rounded(value: Number, dtype: DType) -> Number:
    """`value` as the candidate gets it, so that the reference computes with the same."""
    if not dtype.is_float:
        return int(value)
    return float(decode(encode(np.array([float(value)]), dtype), dtype, (1,))[0])
