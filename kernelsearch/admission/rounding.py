"""What less precise types keep of a number, as values in the type they came from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kernelsearch.model import DType
from kernelsearch.workload import Array, decode, encode

_DROPPED = 13  # of float32's 23 explicit mantissa bits TF32 keeps 10


def tf32(values: Array) -> Array:
    """Rounded to nearest even at 10 explicit mantissa bits, as tensor cores read float32."""
    bits = values.astype("<f4").view("<u4")
    half = np.uint32((1 << (_DROPPED - 1)) - 1) + ((bits >> _DROPPED) & np.uint32(1))
    kept: Array = (bits + half) & np.uint32(0x100000000 - (1 << _DROPPED))
    return kept.view("<f4").astype(values.dtype)


def stored_in(dtype: DType) -> Callable[[Array], Array]:
    """Rounding to `dtype` and back."""

    def rounded(values: Array) -> Array:
        with np.errstate(all="ignore"):
            return decode(encode(values, dtype), dtype, values.shape).astype(values.dtype)

    return rounded


INPUTS: dict[str, Callable[[Array], Array]] = {
    "TF32 inputs": tf32,
    "fp16 inputs": stored_in(DType.F16),
    "bf16 inputs": stored_in(DType.BF16),
}
"""How a kernel may read its inputs with less precision than it was given."""

OUTPUTS: dict[DType, tuple[DType, ...]] = {
    DType.F64: (DType.F32,),
    DType.F32: (DType.F16, DType.BF16),
    DType.F16: (DType.BF16,),
    DType.BF16: (),
}
"""The types that hold less than an output's own."""
