"""Formulas for extents that were seen only as numbers: which of a call's sizes give them in every case."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

_OFFSETS = (1, -1, 2, -2)


def formula(values: Sequence[int], sizes: Mapping[str, Sequence[int]]) -> str | None:
    """An expression over `sizes` (name -> value by case) that has these values in all cases; the plainest. None where there is none.

    A number that never changes is itself, unless a size has that value throughout.
    """
    rows = list(values)
    for name, found in sizes.items():
        if list(found) == rows and (len(set(rows)) > 1 or rows[0] > 1):
            return name
    if len(set(rows)) == 1:
        return str(rows[0])
    for one, other in itertools.combinations_with_replacement(sizes, 2):
        if [a * b for a, b in zip(sizes[one], sizes[other], strict=True)] == rows:
            return f"{one} * {other}"
    for name, found in sizes.items():
        for offset in _OFFSETS:
            if [value + offset for value in found] == rows:
                return f"{name} {'+' if offset > 0 else '-'} {abs(offset)}"
        factor = rows[0] // found[0]
        if factor > 1 and [value * factor for value in found] == rows:
            return f"{factor} * {name}"
    for one, other, third in itertools.combinations(sizes, 3):
        if [a * b * c for a, b, c in zip(sizes[one], sizes[other], sizes[third], strict=True)] == rows:
            return f"{one} * {other} * {third}"
    return None
