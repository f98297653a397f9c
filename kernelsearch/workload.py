"""The concrete calls of a task: which contents go into which arguments, as files that a device can upload.

Contents are a function of (task, seed, purpose, case, distribution, argument) alone, so files are made once, read-only, and shared by
every candidate. Calls for timing have contents of their own. Float contents are rounded to their type before anyone sees them, so the
reference computes on what the candidate got. bfloat16 is stored as its upper 16 bits and widened to float32 when read back.
"""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kernelsearch import digest
from kernelsearch.device.base import Call, Scalar, Tensor
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, Case, Distribution, DType, Task
from kernelsearch.model.expression import Number

Array = npt.NDArray[Any]

# A timed case is verified on as many distributions as keep its files below this, and on one at least: contents lie in memory.
_FULL_CASE_BYTES = 256 << 20
_SPIKE_SHARE, _SPIKES_AT_LEAST = 0.001, 4
_SPIKE_SIZE = 100.0  # exp() of a smaller one would not overflow float32, and its square not float16
_NUMPY: dict[DType, np.dtype[Any]] = {
    DType.F64: np.dtype("<f8"),
    DType.F32: np.dtype("<f4"),
    DType.F16: np.dtype("<f2"),
    DType.BF16: np.dtype("<u2"),
    DType.I64: np.dtype("<i8"),
    DType.I32: np.dtype("<i4"),
    DType.I16: np.dtype("<i2"),
    DType.I8: np.dtype("i1"),
    DType.U64: np.dtype("<u8"),
    DType.U32: np.dtype("<u4"),
    DType.U16: np.dtype("<u2"),
    DType.U8: np.dtype("u1"),
    DType.BOOL: np.dtype("u1"),
}
# What a user's Python file may raise; anything else is not about its contents.
_VALUE_ERRORS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
_REFERENCE_ERRORS = (*_VALUE_ERRORS, AttributeError, ImportError, MemoryError, NameError, OSError, RuntimeError, SyntaxError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One call to make, and where its contents come from. `seed` chose them; `shapes` are those of the tensors, by name."""

    call: Call
    case: Case
    distribution: Distribution
    seed: int
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def inputs(self) -> dict[str, Array]:
        """Contents of every tensor that the kernel reads, in its shape, read back from the files."""
        read = [(arg, arg.file) for arg in self.call.args if isinstance(arg, Tensor) and arg.file is not None]
        return {arg.name: decode(file.read_bytes(), arg.dtype, self.shapes[arg.name]) for arg, file in read}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The calls of one task for one seed. Reading a property writes the files that are not there yet into `folder`."""

    task: Task
    digest: str  # of the task
    folder: Path
    seed: int

    @property
    def calls(self) -> tuple[Planned, ...]:
        """Every case x distribution to verify on a device of full speed, smallest first."""
        return self._planned(self.task.cases)

    @property
    def small(self) -> tuple[Planned, ...]:
        """As `calls`, without the timed cases: what an emulated device can run in full. All cases where every one is timed."""
        return self._planned(tuple(case for case in self.task.cases if not case.timed) or self.task.cases)

    @property
    def timed(self) -> tuple[Planned, ...]:
        """One call for each timed case, with contents that no verification has seen."""
        key = int(digest.of_text("timed", str(self.seed))[:12], 16)
        return tuple(self._plan(case, self.task.distributions[0], key) for case in self.task.timed_cases)

    def _planned(self, cases: tuple[Case, ...]) -> tuple[Planned, ...]:
        pairs = [(case, distribution) for case in sorted(cases, key=self._bytes) for distribution in self._distributions(case)]
        return tuple(self._plan(case, distribution, self.seed) for case, distribution in pairs)

    def _distributions(self, case: Case) -> tuple[Distribution, ...]:
        fitting = _FULL_CASE_BYTES // max(self._bytes(case), 1) if case.timed else len(self.task.distributions)
        return self.task.distributions[: max(1, fitting)]

    def _bytes(self, case: Case) -> int:
        tensors = [arg for arg in self.task.args if arg.is_tensor]
        return sum(int(np.prod(self.task.shape(arg, case), dtype=np.int64)) * arg.dtype.size for arg in tensors)

    def _plan(self, case: Case, distribution: Distribution, seed: int) -> Planned:
        key = digest.of_text(self.digest, str(seed), case.name, distribution.value)
        contents = _Contents(self.task, case, distribution, key)
        args = tuple(self._argument(arg, contents) for arg in self.task.args)
        values = {**self.task.values(case), **{arg.name: arg.value for arg in args if isinstance(arg, Scalar)}}
        # The label is seen inside the box: it names the seed without giving it away.
        call = Call(label=f"{case.name}/{distribution.value}/{key[:8]}", args=args, values=values)
        shapes = {arg.name: self.task.shape(arg, case) for arg in self.task.args if arg.is_tensor}
        return Planned(call=call, case=case, distribution=distribution, seed=seed, shapes=shapes)

    def _argument(self, arg: Arg, contents: _Contents) -> Tensor | Scalar:
        if not arg.is_tensor:
            value = self.task.values(contents.case)[arg.name]
            return Scalar(name=arg.name, dtype=arg.dtype, value=_rounded(value, arg.dtype))
        count = int(np.prod(self.task.shape(arg, contents.case), dtype=np.int64))
        file = None
        if arg.is_read:
            file = self.folder / f"{contents.key}.{arg.name}"
            if not file.exists():
                write_once(file, contents.raw(arg))
        return Tensor(name=arg.name, dtype=arg.dtype, count=count, file=file, written=arg.is_written)


def prepare(task: Task, scratch: Path, seed: int) -> Workload:
    """The workload of `task`; its files lie under `scratch`. Raises `UsageError` when contents cannot be made."""
    folder = scratch / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    return Workload(task=task, digest=digest.task(task), folder=folder, seed=seed)


def _rounded(value: Number, dtype: DType) -> Number:
    """`value` as the candidate gets it, so that the reference computes with the same."""
    if not dtype.is_float:
        return int(value)
    return float(decode(encode(np.array([float(value)]), dtype), dtype, (1,))[0])


def write_once(file: Path, data: bytes) -> None:
    """Write `file` whole and read-only; of several writers of the same contents the last wins. Raises `UsageError` on a full disk."""
    draft = file.with_name(f".{uuid.uuid4().hex}")
    try:
        draft.write_bytes(data)
        draft.chmod(0o444)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{file.parent}: cannot keep {len(data)} bytes of inputs or expected values there: {error.strerror}") from error


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """How elements are stored; bfloat16 as its bits."""
    return _NUMPY[dtype]


def encode(values: Array, dtype: DType) -> bytes:
    """Raw little-endian bytes of `values` in `dtype`; floats are rounded to nearest even."""
    if dtype is DType.BF16:
        bits = values.astype("<f4").view("<u4")
        values = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    return values.astype(_NUMPY[dtype], copy=False).tobytes()


def decode(raw: bytes | memoryview, dtype: DType, shape: tuple[int, ...]) -> Array:
    """The array in `raw`, without a copy where the type exists in NumPy; bfloat16 becomes float32."""
    stored = np.frombuffer(raw, dtype=_NUMPY[dtype]).reshape(shape)
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
    called: Callable[..., object] | None = reference_functions(task.reference.source, name).get(function)
    if called is None:
        raise UsageError(f"{name}: no function {function!r} in it")
    try:
        with np.errstate(all="ignore"):
            return called(*args, **named)
    except _REFERENCE_ERRORS as error:
        raise UsageError(f"{name}{line_of(error, name)}: {function} raised {type(error).__name__}: {error}") from error


def reference_name(task: Task) -> str:
    """How messages call the reference file of `task`."""
    return f"{task.suite}/{task.name}/reference.py"


def line_of(error: BaseException, name: str) -> str:
    """`, line 7`: the last line of file `name` that `error` passed through; empty when it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == name:
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""


class _Contents:
    """Draws the inputs of one call. The reference's own inputs are made once, when the first of them is asked for."""

    def __init__(self, task: Task, case: Case, distribution: Distribution, key: str) -> None:
        self.task, self.case, self.distribution, self.key = task, case, distribution, key
        self._made: Mapping[str, Array] | None = None

    def raw(self, arg: Arg) -> bytes:
        """Contents of `arg` as they are stored."""
        try:
            return encode(self._draw(arg), arg.dtype)
        except MemoryError as error:
            shape = self.task.shape(arg, self.case)
            raise UsageError(f"task {self.task.name!r}, case {self.case.name!r}: no memory for {arg.name!r} of shape {shape}") from error

    def _draw(self, arg: Arg) -> Array:
        shape = self.task.shape(arg, self.case)
        given = self._structured().get(arg.name)
        if given is not None:
            if given.shape != shape:
                raise UsageError(f"{reference_name(self.task)}: input {arg.name!r} has shape {given.shape}, not {shape}")
            return given
        rng = self._rng(arg.name)
        if arg.dtype.is_float:
            return draw_floats(rng, self.distribution, shape, np.float64 if arg.dtype is DType.F64 else np.float32)
        low, high = self._bounds(arg)
        return rng.integers(low, high, size=shape, dtype=np.uint64 if arg.dtype is DType.U64 else np.int64)

    def _rng(self, purpose: str) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(int(digest.of_text(self.key, purpose), 16)))

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
                made = call_reference(self.task, self.task.reference.inputs, self._rng("structured"), sizes, self.distribution.value)
                if not isinstance(made, dict) or not made.keys() <= {arg.name for arg in self.task.inputs}:
                    raise UsageError(f"{reference_name(self.task)}: {self.task.reference.inputs} must return a dict of inputs by name")
                self._made = {name: np.asarray(value) for name, value in made.items()}
        return self._made


# Default contents of integer tensors: unsigned types start at 0.
_INTEGER_RANGE = dict.fromkeys((DType.U64, DType.U32, DType.U16, DType.U8), (0, 100)) | {DType.BOOL: (0, 2)}


def draw_floats(rng: np.random.Generator, distribution: Distribution, shape: tuple[int, ...], dtype: type[Any]) -> Array:
    """Random contents of a float tensor, float32 or float64."""
    match distribution:
        case Distribution.NORMAL:
            return rng.standard_normal(shape, dtype=dtype)
        case Distribution.UNIFORM:
            return np.asarray(rng.random(shape, dtype=dtype) * 2 - 1, dtype=dtype)
        case Distribution.POSITIVE:
            return np.asarray(rng.random(shape, dtype=dtype) + 0.1, dtype=dtype)
        case Distribution.LOGNORMAL:
            return np.exp(rng.standard_normal(shape, dtype=dtype))
        case Distribution.INTEGERS:
            return rng.integers(-2, 3, size=shape).astype(dtype)
        case Distribution.SPIKES:
            values = rng.standard_normal(shape, dtype=dtype)
            flat = values.reshape(-1)
            places = np.unique(rng.integers(0, flat.size, size=max(_SPIKES_AT_LEAST, round(flat.size * _SPIKE_SHARE))))
            flat[places] = _SPIKE_SIZE * (1 + np.abs(flat[places])) * np.where(np.arange(places.size) % 2, -1, 1)
            return values
