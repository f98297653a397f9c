"""Expected values from the task's own reference: NumPy in float64, run here and not in a box, since the user wrote it.

The reference runs once on the inputs as the candidate got them, and thrice on inputs moved by about one unit roundoff, which tells
how large an error the problem itself explains (`Expected.spread`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kernelsearch import digest, oracle
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, DType, Task
from kernelsearch.verify.compare import Expected, as_rows, rms_rows
from kernelsearch.verify.tolerance import accumulation_roundoff
from kernelsearch.workload import Array, Planned, call_reference, numpy_dtype, reference_name

_MOVES = 3  # one alone may by chance cancel in a row that hangs on a single number
_LARGEST = {
    DType.F64: float(np.finfo(np.float64).max),
    DType.F32: float(np.finfo(np.float32).max),
    DType.F16: 65504.0,
    DType.BF16: 2.0**127 * (2 - 2.0**-7),
}


def compute(task: Task, planned: Planned) -> dict[str, Expected]:
    """Expected values of every output. Raises `UsageError` when the reference raises, or returns what cannot be right."""
    inputs = planned.inputs()
    place = f"{_place(task)}, case {planned.case.name}, {planned.distribution.value} inputs"
    returned = _evaluate(task, planned, inputs)
    exact = {arg.name: _checked(returned[arg.name], arg, place) for arg in task.outputs}
    floats = [arg.name for arg in task.outputs if arg.dtype.is_float]
    spread = {name: np.zeros(len(as_rows(exact[name]))) for name in floats}
    if task.tolerance.rtol is None and task.tolerance.atol is None:
        step = _step(task)
        for move in range(_MOVES if floats else 0):
            rng = np.random.Generator(np.random.PCG64(int(digest.of_text(planned.call.label, f"move {move}"), 16)))
            moved = _evaluate(task, planned, {name: _moved(values, step, rng) for name, values in inputs.items()})
            for name in floats:
                spread[name] = np.maximum(spread[name], _change(moved[name], exact[name]) / step)
    return {name: Expected(values=values, spread=spread.get(name, np.zeros(0))) for name, values in exact.items()}


def _change(moved: Array, exact: Array) -> Array:
    """Root mean square change of each row; a moved input may leave the function's domain, which says nothing."""
    with np.errstate(invalid="ignore"):
        change = moved.astype(np.float64) - exact
    change[~np.isfinite(change)] = 0.0
    return rms_rows(change)


def _step(task: Task) -> float:
    """Relative size of a move: one unit roundoff of the computing precision, or the least that float64 can show."""
    return max([2.0**-52, *(accumulation_roundoff(arg.dtype) for arg in task.outputs if arg.dtype.is_float)])


def _moved(values: Array, step: float, rng: np.random.Generator) -> Array:
    if values.dtype.kind != "f":
        return values
    # Normal, not +-1: two factors of a product that dominates would cancel half of the time.
    return values.astype(np.float64) * (1.0 + step * rng.standard_normal(values.shape, dtype=np.float32))


def _place(task: Task) -> str:
    return f"{reference_name(task)}: {task.reference.function if task.reference else ''}"


def _evaluate(task: Task, planned: Planned, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What the reference returns: arrays of numbers in the outputs' shapes."""
    if task.reference is None:
        raise ValueError(f"task {task.name!r} has no reference")
    if task.torch is not None:
        exact = oracle.compute(task, inputs)
        return {arg.name: _shaped(exact[arg.name], arg.name, planned, task) for arg in task.outputs}
    widened = {name: values.astype(np.float64) if values.dtype.kind == "f" else values for name, values in inputs.items()}
    result = call_reference(task, task.reference.function, **widened, **planned.call.values)
    names = [arg.name for arg in task.outputs]
    if not isinstance(result, dict):
        if len(names) > 1:
            raise UsageError(f"{_place(task)} must return a dict of {', '.join(names)}")
        result = {names[0]: result}
    if result.keys() != set(names):
        raise UsageError(f"{_place(task)} returned {', '.join(map(str, result))} instead of {', '.join(names)}")
    return {name: _shaped(np.asarray(result[name]), name, planned, task) for name in names}


def _shaped(values: Array, name: str, planned: Planned, task: Task) -> Array:
    shape = planned.shapes[name]
    if values.shape != shape and not (values.size == 1 and shape == (1,)):
        raise UsageError(f"{_place(task)}, case {planned.case.name}: {name} has shape {values.shape}, not {shape}")
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{_place(task)}: {name} is an array of {values.dtype}, not of numbers")
    return values.reshape(shape)


def _checked(values: Array, arg: Arg, place: str) -> Array:
    """`values` as float64 or in the output's integer type; refuses what the output's type cannot hold."""
    if not np.isfinite(values).all():
        raise UsageError(f"{place}: {arg.name} has values that are not finite")
    if arg.dtype.is_float:
        if (largest := float(np.abs(values).max(initial=0.0))) > _LARGEST[arg.dtype]:
            raise UsageError(f"{place}: {arg.name} reaches {largest:.3g}, which {arg.dtype.value} cannot hold")
        return values.astype(np.float64)
    stored = values.astype(numpy_dtype(arg.dtype))
    if not np.array_equal(stored, values):
        raise UsageError(f"{place}: {arg.name} has values that {arg.dtype.value} cannot hold")
    return stored
