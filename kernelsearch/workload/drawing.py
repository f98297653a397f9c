"""The inputs of one call: drawn from its key, or made by the task's own Python."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kernelsearch import contents, digest
from kernelsearch.contents import Recipe
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, Case, Distribution, DType, Task
from kernelsearch.workload.elements import Array, encode
from kernelsearch.workload.own_python import call_reference, reference_name


def key_of(name: str) -> int:
    """The key of the call that is called `name`, which holds the run's secret."""
    return int(digest.of_text("key", name)[:16], 16)


class Drawing:
    """Draws the inputs of one call. The reference's own inputs are made once, when the first of them is asked for."""

    def __init__(self, task: Task, case: Case, distribution: Distribution, name: str) -> None:
        self.task, self.case, self.distribution, self.name = task, case, distribution, name
        self.key = key_of(name)
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
