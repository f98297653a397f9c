"""Expected values from the task's own reference: NumPy in float64, run here and not in a box, since the user wrote it.

The reference runs once on the inputs as the candidate got them, and thrice on inputs moved by about one unit roundoff, which tells
how large an error the problem itself explains (`Expected.spread`). It runs once more in the computing precision, on float32 arrays:
what a trusted kernel loses, a candidate may lose too. Where integers make the result exact, none of that is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kernelsearch import digest, oracle
from kernelsearch.errors import UsageError
from kernelsearch.model import Arg, Distribution, DType, Task
from kernelsearch.verify.compare import Expected, as_rows, rms_rows
from kernelsearch.verify.integers import exact_integers
from kernelsearch.verify.tolerance import accumulation_roundoff, gate, widened
from kernelsearch.workload import Array, Planned, call_reference, decode, encode, numpy_dtype, reference_name

_EXACT_ELEMENTS = 1 << 22  # linearity is shown by several evaluations; an index that is wrong shows on a small case as well
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
    returned = evaluate(task, planned, inputs)
    values = {arg.name: _checked(returned[arg.name], arg, place) for arg in task.outputs}
    floats = {arg.name: values[arg.name] for arg in task.outputs if arg.dtype.is_float}
    if by_hand(task):
        spread = {name: np.zeros(len(as_rows(exact))) for name, exact in floats.items()}
    else:
        inexact = {name: exact for name, exact in floats.items() if name not in _exact(task, planned, inputs, floats)}
        spread = _spread(task, planned, inputs, inexact)
    return {name: Expected(values=exact, spread=spread.get(name, np.zeros(0))) for name, exact in values.items()}


def by_hand(task: Task) -> bool:
    """Whether the task gives tolerances of its own, which stand as they are."""
    return task.tolerance.rtol is not None or task.tolerance.atol is not None


def _exact(task: Task, planned: Planned, inputs: Mapping[str, Array], floats: Mapping[str, Array]) -> frozenset[str]:
    """Outputs of this call that must come out bit by bit."""
    elements = sum(values.size for values in inputs.values())
    if planned.distribution is not Distribution.INTEGERS or elements > _EXACT_ELEMENTS:
        return frozenset()
    length = float(task.tolerance.reduction.evaluate(task.values(planned.case)))
    return frozenset(
        name
        for name in exact_integers(inputs, floats, lambda changed: evaluate(task, planned, changed), length)
        if np.array_equal(floats[name], _stored(floats[name], task.arg(name).dtype))
    )


def _stored(values: Array, dtype: DType) -> Array:
    """`values` after rounding to `dtype`."""
    return decode(encode(values, dtype), dtype, values.shape)


def _spread(task: Task, planned: Planned, inputs: Mapping[str, Array], floats: Mapping[str, Array]) -> dict[str, Array]:
    """`Expected.spread` of the float outputs that are not exact."""
    spread = {name: np.zeros(len(as_rows(exact))) for name, exact in floats.items()}
    step = _step(task)
    for move in range(_MOVES if floats else 0):
        rng = np.random.Generator(np.random.PCG64(int(digest.of_text(planned.call.label, f"move {move}"), 16)))
        moved = evaluate(task, planned, {name: _moved(values, step, rng) for name, values in inputs.items()})
        for name, exact in floats.items():
            spread[name] = np.maximum(spread[name], _change(moved[name], exact) / step)
    errors = _trusted(task, planned, inputs, floats)
    for name, error in errors.items():
        limits = gate(task, planned.case, task.arg(name).dtype)
        sizes = np.maximum(rms_rows(floats[name]), spread[name])
        spread[name] = widened(limits, sizes, error)
    return spread


def _trusted(task: Task, planned: Planned, inputs: Mapping[str, Array], floats: Mapping[str, Array]) -> dict[str, Array]:
    """Root mean square error of each row when the reference computes in float32; nothing where it cannot, or for float64.

    A PyTorch problem is run in float64 alone.
    """
    single = [name for name in floats if task.arg(name).dtype is not DType.F64]
    if not single or (task.torch is not None and not (task.reference and task.reference.program)):
        return {}
    try:
        computed = evaluate(task, planned, inputs, np.float32)
    except UsageError:
        return {}  # a reference may insist on float64
    return {name: _change(computed[name], floats[name]) for name in single}


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


def evaluate(
    task: Task, planned: Planned, inputs: Mapping[str, Array], precision: npt.DTypeLike = np.float64, *, copy: bool = True
) -> dict[str, Array]:
    """What the reference returns for `inputs`, floats in `precision`: arrays of numbers in the outputs' shapes.

    It works on copies of float inputs; without `copy`, on arrays that are in that precision already it works on these themselves.
    """
    if task.reference is None:
        raise ValueError(f"task {task.name!r} has no reference")
    if task.torch is not None and not task.reference.program:
        exact = oracle.compute(task, inputs)
        return {arg.name: _shaped(exact[arg.name], arg.name, planned, task) for arg in task.outputs}
    given = {name: values.astype(precision, copy=copy) if values.dtype.kind == "f" else values for name, values in inputs.items()}
    result = call_reference(task, task.reference.function, **given, **planned.call.values)
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
