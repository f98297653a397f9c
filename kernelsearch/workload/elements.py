"""How elements are stored, and arrays made of them: bfloat16 as its upper 16 bits, widened to float32 when read back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernelsearch import contents
from kernelsearch.contents import STORED
from kernelsearch.model import DType

Array = npt.NDArray[Any]


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
