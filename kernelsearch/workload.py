"""The concrete calls of a task: which contents go into which arguments.

Contents are drawn from a key (see `contents`), and keys follow from the run's secret, the task, the case, the distribution and the purpose;
nobody beside a candidate can know one before its call. What a task's own Python makes (a permutation, a CSR row pointer) is a file, made
once, read-only, and shared by every candidate; so is everything for a device that does not draw by itself. Float contents are rounded to
their type before anyone sees them, so the reference computes on what the candidate got. bfloat16 is stored as its upper 16 bits and
widened to float32 when read back.
"""

from __future__ import annotations

import math
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kernelsearch import contents, digest, oracle
from kernelsearch.contents import STORED, Recipe
from kernelsearch.device.base import Call, Job, Mode, Sample, Scalar, Tensor
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, Build, Case, Distribution, DType, Form, Reference, Task
from kernelsearch.model.expression import Number
from kernelsearch.store.files import write_once

Array = npt.NDArray[Any]

# Timed calls whose outputs are verified: as many as keep the expected values of a case below this, and two at least.
_SAMPLES_BYTES, _FEWEST_SAMPLES, _MOST_SAMPLES = 512 << 20, 2, 4
# Calls that were planned before: every candidate of a run asks for the same ones, and what a task's own Python makes can take seconds.
_plans: OrderedDict[tuple[object, ...], Planned] = OrderedDict()
_plans_lock = threading.Lock()
_MOST_PLANS = 512
# What a user's Python file may raise; anything else is not about its contents.
_VALUE_ERRORS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
_REFERENCE_ERRORS = (*_VALUE_ERRORS, AttributeError, ImportError, MemoryError, NameError, OSError, RuntimeError, StopIteration, SyntaxError)


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
        drawing = _Contents(self.task, case, distribution, name)
        return self._planned(name, case, distribution, [self._argument(number, arg, drawing) for number, arg in enumerate(self.task.args)])

    def _name(self, case: Case, distribution: Distribution, purpose: str) -> str:
        return digest.of_text(self.secret, self.digest, case.name, distribution.value, purpose)

    def _planned(self, name: str, case: Case, distribution: Distribution, args: Sequence[Tensor | Scalar]) -> Planned:
        key = _key(name)
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

    def _argument(self, position: int, arg: Arg, drawing: _Contents) -> Tensor | Scalar:
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


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """How elements are stored; bfloat16 as its bits."""
    return np.dtype(STORED[dtype.value])


def encode(values: Array, dtype: DType) -> bytes:
    """Raw little-endian bytes of `values` in `dtype`; floats are rounded to nearest even."""
    if dtype is DType.BF16:
        values = contents.to_bfloat16(values)
    return values.astype(numpy_dtype(dtype), copy=False).tobytes()


def decode(raw: bytes | memoryview, dtype: DType, shape: tuple[int, ...]) -> Array:
    """The array in `raw`, without a copy where the type exists in NumPy; bfloat16 becomes float32."""
    stored = np.frombuffer(raw, dtype=numpy_dtype(dtype)).reshape(shape)
    if dtype is DType.BF16:
        stored = (stored.astype("<u4") << 16).view("<f4")
    return stored


@lru_cache(maxsize=32)
def reference_functions(source: str, name: str) -> Mapping[str, Any]:
    """The namespace of a reference file, executed once. `name` is for messages. Raises `UsageError` with the line at fault."""
    space: dict[str, Any] = {"__name__": "reference"}
    try:
        exec(compile(source, name, "exec"), space)
    except _REFERENCE_ERRORS as error:
        raise UsageError(f"{name}{line_of(error, name)}: {type(error).__name__}: {error}") from error
    return space


def call_reference(task: Task, function: str, *args: object, **named: object) -> object:
    """Call a function of the task's reference file. Raises `UsageError` naming file and line when it is missing or raises."""
    if task.reference is None:
        raise ValueError(f"task {task.name!r} has no reference")
    name = reference_name(task)
    if task.reference.program:
        return _of_program(task.reference, function, name, args, named)
    called: Callable[..., object] | None = reference_functions(task.reference.source, name).get(function)
    if called is None:
        raise UsageError(f"{name}: no function {function!r} in it")
    try:
        with np.errstate(all="ignore"):
            return called(*args, **named)
    except _REFERENCE_ERRORS as error:
        raise UsageError(f"{name}{line_of(error, name)}: {function} raised {type(error).__name__}: {error}") from error


def _of_program(reference: Reference, function: str, where: str, args: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Array]:
    """A program's inputs, called as `(rng, sizes, distribution)`, of which it knows one only; or its outputs."""
    if function == reference.inputs:
        rng, sizes, _ = args
        return oracle.drawn(reference.source, int(rng.integers(1 << 62)), sizes, where=where)
    arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
    return oracle.computed(reference.source, arrays, {name: value for name, value in named.items() if name not in arrays}, where=where)


def reference_name(task: Task) -> str:
    """How messages call the reference file of `task`."""
    return f"{task.suite}/{task.name}/reference.py"


def line_of(error: BaseException, name: str) -> str:
    """`, line 7`: the last line of file `name` that `error` passed through; empty when it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""


def _key(name: str) -> int:
    return int(digest.of_text("key", name)[:16], 16)


class _Contents:
    """Draws the inputs of one call. The reference's own inputs are made once, when the first of them is asked for."""

    def __init__(self, task: Task, case: Case, distribution: Distribution, name: str) -> None:
        self.task, self.case, self.distribution, self.name = task, case, distribution, name
        self.key = _key(name)
        self._made: Mapping[str, Array] | None = None

    def recipe(self, arg: Arg, position: int) -> Recipe | None:
        """How `arg` is drawn; None where the task's own Python makes it."""
        if arg.name in self._structured():
            return None
        count = int(np.prod(self.task.shape(arg, self.case), dtype=np.int64))
        if arg.dtype.is_float:
            exponent, own = math.frexp(arg.scale)[1] - 1, arg.distribution
            return Recipe(dtype=arg.dtype.value, position=position, count=count, exponent=exponent, distribution=own.value if own else "")
        low, high = self._bounds(arg)
        return Recipe(dtype=arg.dtype.value, position=position, count=count, low=low, span=high - low)

    def raw(self, arg: Arg, recipe: Recipe | None) -> bytes:
        """Contents of `arg` as they are stored."""
        try:
            if recipe is not None:
                return contents.draw(recipe, self.key, self.distribution.value).tobytes()
            return encode(self._given(arg), arg.dtype)
        except MemoryError as error:
            shape = self.task.shape(arg, self.case)
            raise UsageError(f"task {self.task.name!r}, case {self.case.name!r}: no memory for {arg.name!r} of shape {shape}") from error

    def _given(self, arg: Arg) -> Array:
        shape, given = self.task.shape(arg, self.case), self._structured()[arg.name]
        if given.shape != shape:
            raise UsageError(f"{reference_name(self.task)}: input {arg.name!r} has shape {given.shape}, not {shape}")
        return given

    def _bounds(self, arg: Arg) -> tuple[int, int]:
        values = self.task.values(self.case)
        low, high = _INTEGER_RANGE.get(arg.dtype, (-100, 100))
        low = arg.low.integer(values) if arg.low else low
        high = arg.high.integer(values) if arg.high else max(high, low + 1)
        if low >= high:
            raise UsageError(f"task {self.task.name!r}, case {self.case.name!r}: {arg.name!r} has no value in [{low}, {high})")
        return low, high

    def _structured(self) -> Mapping[str, Array]:
        if self._made is None:
            self._made = {}
            if self.task.reference is not None and self.task.reference.inputs is not None:
                sizes = self.task.values(self.case)
                rng = np.random.Generator(np.random.PCG64(int(digest.of_text(self.name, "structured"), 16)))
                made = call_reference(self.task, self.task.reference.inputs, rng, sizes, self.distribution.value)
                if not isinstance(made, dict) or not made.keys() <= {arg.name for arg in self.task.inputs}:
                    raise UsageError(f"{reference_name(self.task)}: {self.task.reference.inputs} must return a dict of inputs by name")
                self._made = {name: np.asarray(value) for name, value in made.items()}
        return self._made


# Default contents of integer tensors: unsigned types start at 0.
_INTEGER_RANGE = dict.fromkeys((DType.U64, DType.U32, DType.U16, DType.U8), (0, 100)) | {DType.BOOL: (0, 2)}
