"""One output's raw bytes against its expected values: a pure function, tested with planted errors.

Rows are the last axis; a vector is one row. Work goes block by block, so a large tensor needs no large temporaries. NaN is never a
wildcard: the reference is finite, and anything else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernelsearch.device.base import POISON
from kernelsearch.model import DType
from kernelsearch.verify.tolerance import Gate
from kernelsearch.workload import Array, decode

_BLOCK = 1 << 16  # elements at a time: the temporaries stay in the cache
FAR = 1e9  # errors are told up to this: JSON knows no infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an output should be: float64 for float types, else integers, in the output's shape.

    `spread` (float types): for each row, the root mean square change of the exact result when every float input moves by one unit
    roundoff of the computing precision, over that unit roundoff: the row's natural size where sums cancel. A trusted run in that
    precision may have raised it (`tolerance.widened`). Zeros when unknown. Empty when the result is `exact`.
    """

    values: Array
    spread: npt.NDArray[np.float64]

    @property
    def exact(self) -> bool:
        """Whether no error at all is allowed: integer types, and floats whose every intermediate result is an exact integer."""
        return self.spread.size == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How an output differs. `worst` is the largest error over its gate: above 1 is wrong. `relative` is ||d|| / ||reference||.

    `where` names output and index of the worst element; `detail` says what is wrong, and is empty when nothing is.
    """

    worst: float = 0.0
    relative: float = 0.0
    where: str = ""
    detail: str = ""


def as_rows(values: Array) -> Array:
    """`values` as (rows, columns): the last axis are the columns."""
    return values.reshape(-1, values.shape[-1])


def rms_rows(values: Array) -> npt.NDArray[np.float64]:
    """Root mean square of each row."""
    rows = as_rows(values)
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows) / rows.shape[1]), dtype=np.float64)


def compare(name: str, raw: bytes | memoryview, dtype: DType, expected: Expected, gate: Gate | None) -> Difference:
    """Judge output `name`. `gate` is None for integer types, and not asked where the expected values are exact."""
    shape = expected.values.shape
    gate = None if expected.exact else gate
    if len(raw) != expected.values.size * dtype.size:
        return Difference(worst=FAR, relative=FAR, detail=f"{name}: {len(raw)} bytes came back, not {expected.values.size * dtype.size}")
    elements = np.frombuffer(raw, dtype=np.uint8).reshape(-1, shape[-1], dtype.size)
    tally = _Tally(as_rows(expected.values), as_rows(decode(raw, dtype, shape)), _sizes(expected, gate), gate)
    for block in _blocks(*tally.got.shape):
        tally.add(block, elements[block])
    return _report(name, shape, tally)


def _sizes(expected: Expected, gate: Gate | None) -> npt.NDArray[np.float64]:
    """The natural size of each row."""
    if gate is None:
        return np.zeros(len(as_rows(expected.values)))
    rms = rms_rows(expected.values)
    return rms if gate.by_hand else np.maximum(rms, expected.spread)


Block = tuple[slice, slice]


def _blocks(rows: int, columns: int) -> Iterator[Block]:
    """Some whole rows at a time, or parts of a row that is longer than a block."""
    height, width = max(1, _BLOCK // columns), min(columns, _BLOCK)
    for row in range(0, rows, height):
        for column in range(0, columns, width):
            yield slice(row, min(row + height, rows)), slice(column, min(column + width, columns))


class _Tally:
    """What the blocks showed, added up."""

    def __init__(self, reference: Array, got: Array, sizes: npt.NDArray[np.float64], gate: Gate | None) -> None:
        self.reference, self.got, self.sizes, self.gate = reference, got, sizes, gate
        self.squares = np.zeros(len(got))  # of the errors, by row
        self.wrong = np.zeros(len(got), dtype=np.int64)  # elements by row
        self.unwritten = np.zeros(len(got), dtype=np.int64)  # of those, the ones that still hold the poison
        self.worst, self.at = 0.0, (0, 0)

    def add(self, block: Block, elements: Array) -> None:
        """`elements` are the raw bytes of the block, on a third axis."""
        ratio = self._ratio(block)
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
        if ratio[row, column] > self.worst:
            self.worst, self.at = float(ratio[row, column]), (row + block[0].start, column + block[1].start)
        bad = ratio > 1.0
        if bad.any():
            self.wrong[block[0]] += bad.sum(axis=1)
            self.unwritten[block[0]] += (bad & (elements == POISON).all(axis=-1)).sum(axis=1)

    def _ratio(self, block: Block) -> npt.NDArray[np.float64]:
        """Error over gate for each element; infinite where it is not a number, or no error is allowed."""
        reference, got = self.reference[block], self.got[block]
        if self.gate is None:
            return np.where(got == reference, 0.0, np.inf)
        with np.errstate(all="ignore"):
            error = np.abs(got - reference)
            error[np.isnan(error)] = np.inf
            self.squares[block[0]] += np.einsum("ij,ij->i", error, error)
            floor = self.gate.atol * self.sizes[block[0]] + self.gate.tiny
            ratio = error / (self.gate.rtol * np.abs(reference) + floor[:, None])
        ratio[error == 0.0] = 0.0
        return np.asarray(ratio)

    def norms(self) -> npt.NDArray[np.float64]:
        """Root mean square error over its gate: of each row, and last of the whole tensor."""
        if self.gate is None or np.isinf(self.gate.norm):
            return np.zeros(1)
        columns = self.got.shape[1]
        errors = np.append(self.squares, self.squares.mean()) / columns
        sizes = np.append(self.sizes, np.sqrt(np.mean(self.sizes**2)))
        return np.asarray(np.sqrt(errors) / np.maximum(self.gate.norm * sizes + self.gate.tiny, np.finfo(np.float64).tiny))

    def relative(self) -> float:
        """||d|| / ||reference||; 0 for integers."""
        norm = 0.0 if self.gate is None else float(np.sqrt(np.sum(rms_rows(self.reference) ** 2) * self.got.shape[1]))
        return float(np.sqrt(self.squares.sum())) / norm if norm > 0.0 else 0.0


def _report(name: str, shape: tuple[int, ...], tally: _Tally) -> Difference:
    where = f"{name}[{', '.join([*_leading(shape, tally.at[0]), str(tally.at[1])])}]"
    norms = tally.norms()
    wrong = int(tally.wrong.sum())
    detail = ""
    if wrong and wrong == int(tally.unwritten.sum()):
        detail = f"{name}: {_unwritten(shape, tally)}"
    elif wrong:
        got, reference = tally.got[tally.at], tally.reference[tally.at]
        rows = f", first in {_row(shape, int(np.argmax(tally.wrong > 0)))}" if len(shape) > 1 else ""
        also = f", {int(tally.unwritten.sum())} of them not written" if tally.unwritten.any() else ""
        detail = f"{where} is {got:.9g}, expected {reference:.9g}; {wrong} of {tally.got.size} elements wrong{rows}{also}"
    elif (place := int(np.argmax(norms))) >= 0 and norms[place] > 1.0:
        part = f" in {_row(shape, place)}" if place < len(tally.got) and len(shape) > 1 else ""
        detail = (
            f"{name}: no element is far off, but the error{part} is {norms[place]:.3g} times what rounding explains: precision was lost"
        )
    worst = max(tally.worst, float(norms.max()))
    return Difference(worst=min(worst, FAR), relative=min(tally.relative(), FAR), where=where if worst > 0.0 else "", detail=detail)


def _unwritten(shape: tuple[int, ...], tally: _Tally) -> str:
    """Which elements were left alone, as "row 257: last 1 element not written"."""
    if int(tally.unwritten.sum()) == tally.got.size:
        return "nothing was written"
    first = int(np.argmax(tally.unwritten > 0))
    count, columns = int(tally.unwritten[first]), tally.got.shape[1]
    row = f"{_row(shape, first)}: " if len(shape) > 1 else ""
    others = int((tally.unwritten > 0).sum()) - 1
    tail = f"; so in {others} more row{'s' * (others > 1)}" if others else ""
    if count == columns:
        return f"{row}not written{tail}"
    left = tally.got[first] != tally.reference[first]
    place = "last " if left[columns - count :].all() else "first " if left[:count].all() else ""
    return f"{row}{place}{count} element{'s' * (count > 1)} not written{tail}"


def _row(shape: tuple[int, ...], row: int) -> str:
    index = _leading(shape, row)
    return f"row {index[0]}" if len(index) == 1 else f"row ({', '.join(index)})"


def _leading(shape: tuple[int, ...], row: int) -> list[str]:
    """The indices of row number `row` on all axes but the last."""
    return [str(int(i)) for i in np.unravel_index(row, shape[:-1])] if len(shape) > 1 else []
