"""Answers made from the right ones, or from nothing: what has passed for a kernel in one benchmark or another.

Each change spoils one output and leaves the others right, so that no output can hide behind another. It returns the bytes in memory, or
the reason why there is nothing to spoil in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from kernelsearch.admission.setting import Setting
from kernelsearch.device.base import POISON
from kernelsearch.model import Arg
from kernelsearch.verify.compare import as_rows, rms_rows
from kernelsearch.verify.tolerance import unit_roundoff
from kernelsearch.workload import Array, encode

Change = Callable[[Setting, Arg], bytes | str]

_SMALL = 0.01  # the relative size of errors that are small and yet no rounding
_BETWEEN = 8  # units of roundoff that are none either, where terms of sums may be rounded on their way
_TILE = 16  # a tile is this part of the output


def _from_values(change: Callable[[Array], Array | str]) -> Change:
    """A change that looks at the exact values alone."""

    def changed(setting: Setting, arg: Arg) -> bytes | str:
        made = change(setting.expected[arg.name].values)
        return made if isinstance(made, str) else setting.encoded({arg.name: made})[arg.name]

    return changed


def _unwritten(of: Callable[[Array], Array]) -> Change:
    """The right answer, with poison left where `of` marks elements."""

    def changed(setting: Setting, arg: Arg) -> bytes | str:
        values = setting.expected[arg.name].values
        raw = np.frombuffer(bytearray(setting.right[arg.name]), np.uint8).reshape(values.size, -1)
        raw[of(values).reshape(-1)] = POISON
        return raw.tobytes()

    return changed


def passed_through(setting: Setting) -> Iterator[tuple[str, dict[str, bytes] | str]]:
    """Each input as each output that it fits into."""
    found = False
    for arg in setting.task.outputs:
        for name, values in setting.inputs.items():
            if values.size == setting.expected[arg.name].values.size and (values.dtype.kind == "f") == arg.dtype.is_float:
                found = True
                yield f"{name} as {arg.name}", setting.encoded({arg.name: values})
    if not found:
        yield "", "no input has as many elements as an output"


def _stale(setting: Setting, arg: Arg) -> bytes | str:
    return setting.encoded({arg.name: setting.stale[arg.name]})[arg.name]


def _planted(value: float) -> Change:
    def changed(setting: Setting, arg: Arg) -> bytes | str:
        if not arg.dtype.is_float:
            return "an integer holds no such value"
        values = setting.expected[arg.name].values.copy()
        values.reshape(-1)[values.size // 2] = value
        return encode(values, arg.dtype)

    return changed


def _constant(values: Array) -> Array | str:
    return np.full_like(values, values.mean()) if values.size > 1 else "a single number is its own mean"


def _row_mean(values: Array) -> Array | str:
    if values.shape[-1] == 1:
        return "a single number is its own mean"
    return np.broadcast_to(values.mean(axis=-1, keepdims=True), values.shape).astype(values.dtype)


def _first(part: int) -> Callable[[Array], Array | str]:
    def changed(values: Array) -> Array | str:
        if values.size < 2:
            return "a single number has no parts"
        kept = values.size // part
        return np.where(np.arange(values.size) < kept, values.reshape(-1), 0).reshape(values.shape)

    return changed


def _permuted(values: Array) -> Array | str:
    axis = 0 if values.shape[0] > 1 else values.ndim - 1
    return np.roll(values, 1, axis=axis) if values.size > 1 else "a single number has no order"


def _transposed(values: Array) -> Array | str:
    square = values.ndim > 1 and values.shape[-1] == values.shape[-2] > 1
    return np.swapaxes(values, -1, -2) if square else "not square"


def _one_wrong(setting: Setting, arg: Arg) -> bytes:
    values = setting.expected[arg.name].values
    changed, at = values.copy(), values.size // 2
    if values.dtype.kind != "f":
        changed.reshape(-1)[at] += 1
    else:
        through = setting.task.tolerance.through
        small = max(_SMALL, _BETWEEN * unit_roundoff(through)) if through else _SMALL
        changed.reshape(-1)[at] += small * (rms_rows(values)[at // values.shape[-1]] + abs(values.reshape(-1)[at]))
    return setting.encoded({arg.name: changed})[arg.name]


def _scaled(values: Array) -> Array:
    return values * (1 + _SMALL) if values.dtype.kind == "f" else values + 1


def _last_row(values: Array) -> Array:
    mask = np.zeros(values.shape, dtype=bool)
    as_rows(mask)[-1:, slice(None) if len(as_rows(mask)) > 1 else slice(-1, None)] = True
    return mask


def _last_tile(values: Array) -> Array:
    return np.arange(values.size) >= values.size - max(1, values.size // _TILE)


CHANGES: dict[str, Change] = {
    "zeros": _from_values(np.zeros_like),
    "ones": _from_values(np.ones_like),
    "constant: the mean": _from_values(_constant),
    "constant: mean of each row": _from_values(_row_mean),
    "stale: answer to other contents": _stale,
    "first half only": _from_values(_first(2)),
    "first 1/64 only": _from_values(_first(64)),
    "last row not written": _unwritten(_last_row),
    "last tile not written": _unwritten(_last_tile),
    "one element wrong": _one_wrong,
    "rows permuted": _from_values(_permuted),
    "transposed": _from_values(_transposed),
    "x 1.01": _from_values(_scaled),
    "sign flipped": _from_values(np.negative),
    "NaN planted": _planted(np.nan),
    "inf planted": _planted(np.inf),
}
"""By name, in the order in which they are told."""
