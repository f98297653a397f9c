"""How far an output may lie from the exact result: gates from rounding, not from taste.

Three measures, each of which must hold: every element, every row and the whole tensor. Norms (row and tensor) tell lost precision,
because rounding errors add up like noise; the elementwise gate tells single wrong elements and is wider, since the worst of millions
of honest elements lies several standard deviations out.

Units. u = 2^-(mantissa bits + 1) is the unit roundoff. A sum of K terms in precision u has an error of about u*sqrt(K) times its
natural size (Higham, Accuracy and Stability, section 2.8 and 4.2); 4*u*sqrt(K) in the norm accepts naive sequential sums and rejects
TF32 and half inputs on zero-mean data up to K of some 10^5. Half outputs are summed in float32 and rounded once: u_out is added.
Where a task lets the terms of a sum be rounded to a type on their way (`Tolerance.through`), as every attention on tensor cores does
with its weights, each term is off by at most that type's u. A norm is off by 0.41 u where many terms make a row, by more where two do.

The natural size of a row is the root mean square of the reference in it, or what the row would lose if each input were off by one
unit roundoff, whichever is more (`Expected.spread`): a sum that nearly cancels cannot be asked for more than its inputs carry.

A trusted run in the computing precision (the reference itself, on float32 arrays) has the last word where these formulas are too
strict: a row may be off by twice that run's own error e0, as FlashAttention's tests and TorchDynamo's accuracy check allow a
candidate a multiple of what a plain run of the same precision loses. A multiple of e0 alone would reject honest kernels: naive
sequential sums lose up to 30 times what a pairwise or blocked one does. So the allowance is the larger of the two. It is never more
than eight times the formula's, or a reference that is numerically poor in float32 would let half precision through.

Where the result is exact in any order of evaluation there is no allowance at all (`verify.integers`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernelsearch.model import Case, DType, Task

Floats = npt.NDArray[np.float64]

_NORM_FACTOR = 4.0
_ELEMENT_FACTOR = 4.0  # the worst of 10^7 normal deviates lies at 5.4 sigma; honest norms lie at a quarter of their gate
_BETWEEN_NORM = 0.7  # of that u, in the norm; an error of one per cent in everything still shows
_TWO_SIDED = 2.0  # compared with a baseline, which has errors of its own
_TRUSTED_FACTOR, _TRUSTED_CAP = 2.0, 8.0  # times the error of a trusted run, but no more than so many times the formula's gate
# Results below this may be flushed to zero, or lie within half of the last subnormal place.
_TINY = {DType.F64: 2.0**-1022, DType.F32: 2.0**-126, DType.BF16: 2.0**-126, DType.F16: 2.0**-24}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """|d| <= rtol*|ref| + atol*size + tiny for each element, with size the natural size of its row; rms(d) <= norm*size for each
    row and for the tensor. `norm` is infinite when tolerances are given by hand. `by_hand` then ignores `Expected.spread`.
    """

    rtol: float
    atol: float
    norm: float
    tiny: float
    by_hand: bool = False


def unit_roundoff(dtype: DType) -> float:
    """Largest relative error of rounding to nearest."""
    return 2.0 ** -(dtype.mantissa_bits + 1)


def accumulation_roundoff(dtype: DType) -> float:
    """Of the precision an honest kernel computes in: float32 for half outputs, else the output's own."""
    return min(unit_roundoff(dtype), unit_roundoff(DType.F32))


def gate(task: Task, case: Case, dtype: DType, *, two_sided: bool = False) -> Gate:
    """The gate for float outputs of `dtype` in `case`. `two_sided`: the expected values are a kernel's own output."""
    tolerance = task.tolerance
    if tolerance.rtol is not None or tolerance.atol is not None:
        return Gate(rtol=tolerance.rtol or 0.0, atol=tolerance.atol or 0.0, norm=math.inf, tiny=0.0, by_hand=True)
    length = max(1.0, float(tolerance.reduction.evaluate(task.values(case))))
    side = _TWO_SIDED if two_sided else 1.0
    summed = _NORM_FACTOR * accumulation_roundoff(dtype) * math.sqrt(length) * side
    rounded = unit_roundoff(dtype) * side if dtype in (DType.F16, DType.BF16) else 0.0
    between = unit_roundoff(tolerance.through) * side if tolerance.through else 0.0
    return Gate(
        rtol=_ELEMENT_FACTOR * summed + 2 * rounded,
        atol=_ELEMENT_FACTOR * (summed + between),
        norm=summed + _BETWEEN_NORM * between + rounded,
        tiny=_TINY[dtype],
    )


def widened(limits: Gate, sizes: Floats, trusted: Floats) -> Floats:
    """The natural sizes of rows after a trusted run of the same precision, whose root mean square error in each row is `trusted`.

    Gates are proportional to sizes, so a wider allowance for a row is a larger size. Errors that are not finite say nothing.
    """
    if limits.by_hand or limits.norm == 0.0:
        return sizes
    told = np.where(np.isfinite(trusted), trusted, 0.0)
    return np.asarray(np.maximum(sizes, np.minimum(_TRUSTED_FACTOR * told / limits.norm, _TRUSTED_CAP * sizes)))
