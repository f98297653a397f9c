"""Answers that the reference itself gives: on inputs of which a part was not read, on less precise ones, and in honest float32.

Inputs that belong together (the row pointers of a sparse matrix and its columns) may not survive alone what is done to them; where the
reference refuses the result, the variant says so by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from kernelsearch.admission import rounding
from kernelsearch.admission.setting import Answers, Setting
from kernelsearch.errors import UsageError
from kernelsearch.workload import Array

Variants = Iterator[tuple[str, Answers | str]]
Replace = Callable[[Array, int], Array]

_REFUSED = "its contents are bound to other inputs"
_REGIONS = ("", "first third of ", "middle third of ", "last third of ")


def _half_missing(values: Array, axis: int) -> Array:
    half = values.shape[axis] // 2
    changed = values.copy()
    np.moveaxis(changed, axis, 0)[values.shape[axis] - half :] = 0
    return changed


def _sampled(values: Array, axis: int) -> Array:
    """The first half twice: a sample that stands for the whole, as the law of large numbers tempts to."""
    length = values.shape[axis]
    return np.asarray(np.take(values, np.arange(length) % max(1, (length + 1) // 2), axis=axis))


def _missing(values: Array, axis: int) -> Array:
    return np.zeros_like(values) if axis == 0 else values


PARTIAL: dict[str, Replace] = {"an input not read": _missing, "half of an input not read": _half_missing, "half read twice": _sampled}


def reading(replace: Replace) -> Callable[[Setting], Variants]:
    """The reference on each float input in turn, altered along each axis."""

    def variants(setting: Setting) -> Variants:
        floats = {name: values for name, values in setting.inputs.items() if values.dtype.kind == "f"}
        if not floats:
            yield "", "no float input"
        for name, values in floats.items():
            for axis in range(values.ndim):
                label = f"axis {axis} of {name}" if values.ndim > 1 else name
                changed = replace(values, axis)
                if not np.array_equal(changed, values):
                    yield label, setting.evaluate({**setting.inputs, name: changed})

    return variants


def other_contents(setting: Setting) -> Variants:
    """Each input in turn, whole and by thirds, with the contents of the second draw: an answer that must not pass."""
    for name, values in setting.inputs.items():
        for region in range(len(_REGIONS)):
            label = f"{_REGIONS[region]}{name}"
            changed = _replaced(values, setting.other_inputs[name], region)
            if np.array_equal(changed, values):
                yield label, "the second draw has the same contents"
                continue
            try:
                yield label, setting.evaluate({**setting.inputs, name: changed})
            except UsageError:
                yield label, _REFUSED


def _replaced(values: Array, other: Array, region: int) -> Array:
    if region == 0:
        return other
    third = -(-values.size // 3)
    at = slice((region - 1) * third, region * third)
    changed = values.copy()
    changed.reshape(-1)[at] = other.reshape(-1)[at]
    return changed


def rounding_inputs(rounded: Callable[[Array], Array]) -> Callable[[Setting], Variants]:
    """The exact result of inputs that were rounded when they were read."""

    def variants(setting: Setting) -> Variants:
        changed = {name: rounded(values) if values.dtype.kind == "f" else values for name, values in setting.inputs.items()}
        if not any(values.dtype.kind == "f" for values in changed.values()):
            yield "", "no float input to round"
        elif all(np.array_equal(changed[name], setting.inputs[name]) for name in changed):
            yield "", "the inputs hold no more than that"
        else:
            yield "", setting.evaluate(changed)

    return variants


def rounding_outputs(setting: Setting) -> Variants:
    """Each output stored in each type below its own."""
    for arg in setting.task.outputs:
        if not arg.dtype.is_float:
            yield arg.name, "an integer output has no precision to lose"
        elif not (lower := rounding.OUTPUTS[arg.dtype]):
            yield arg.name, f"no type in use holds less than {arg.dtype.value}"
        for dtype in lower if arg.dtype.is_float else ():
            values = rounding.stored_in(dtype)(setting.expected[arg.name].values)
            yield f"{arg.name} as {dtype.value}", setting.encoded({arg.name: values})


def _rounded_once(setting: Setting) -> Variants:
    yield "", setting.right


def _computed(inputs: Callable[[Mapping[str, Array]], Mapping[str, Array]]) -> Callable[[Setting], Variants]:
    def variants(setting: Setting) -> Variants:
        try:
            yield "", setting.evaluate(inputs(setting.inputs), setting.precision)
        except UsageError:
            yield "", "the reference insists on float64"

    return variants


HONEST: dict[str, Callable[[Setting], Variants]] = {
    "exact, rounded once": _rounded_once,
    "reference in float32": _computed(dict),
    "reference in float32, other order": _computed(lambda inputs: {name: np.asfortranarray(values) for name, values in inputs.items()}),
}
"""Honest slow ones. NumPy sums an array in the order in which it lies in memory, so columns first is another order of the same sum."""
