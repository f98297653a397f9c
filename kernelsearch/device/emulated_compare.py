"""Do two runs of the same call agree? Bytes, and where those differ by the rounding of floating-point atomics, values."""

from __future__ import annotations

import math
import struct

from kernelsearch.model import DType

# Sums in another order differ by rounding. This share of the root mean square is far above that for sums of millions in float and far
# below what a lost update or a stale value does; half types round a thousand times coarser.
_SHARE = {DType.F64: 1e-9, DType.F32: 1e-3, DType.F16: 2e-2, DType.BF16: 5e-2}
_FORMATS = {DType.F64: "d", DType.F32: "f", DType.F16: "e"}


def disagreement(dtype: DType, first: bytes, second: bytes) -> tuple[int, str] | None:
    """The first element in which the two differ by more than rounding, and both values; None when they agree."""
    if first == second:
        return None
    left, right = _values(dtype, first), _values(dtype, second)
    allowed = 0.0
    if dtype.is_float:
        finite = [value for value in left if math.isfinite(value)]
        allowed = _SHARE[dtype] * math.sqrt(sum(value * value for value in finite) / max(1, len(finite)))
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        if a == b or (a != a and b != b):
            continue
        if not abs(a - b) <= allowed:  # also where one of them is not a number
            return index, f"{a:g} and {b:g}"
    return None


def _values(dtype: DType, data: bytes) -> tuple[float, ...] | tuple[int, ...]:
    count = len(data) // dtype.size
    if dtype is DType.BF16:  # the upper half of a float
        wide = bytearray(4 * count)
        wide[2::4], wide[3::4] = data[0::2], data[1::2]
        return struct.unpack(f"<{count}f", wide)
    if dtype in _FORMATS:
        return struct.unpack(f"<{count}{_FORMATS[dtype]}", data)
    signed = dtype.value.startswith("i")
    return tuple(int.from_bytes(data[at : at + dtype.size], "little", signed=signed) for at in range(0, len(data), dtype.size))
