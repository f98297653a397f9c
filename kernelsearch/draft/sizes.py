"""How large a drafted task's cases are: one to be timed near the wanted number of elements, and small ragged ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

from kernelsearch.draft.polynomial import Polynomial, product
from kernelsearch.draft.shapes import Shapes

# Sizes that are small by nature, in the timed case; the names are what such parameters are commonly called.
_SMALL = {
    **dict.fromkeys(("radius", "r", "halo", "pad", "padding"), 3),
    **dict.fromkeys(("taps", "ksize", "kernel_size", "filter_size", "mask_width", "window", "kw", "kh"), 9),
    **dict.fromkeys(("batch", "b", "batches", "channels", "c", "heads", "h"), 8),
    **dict.fromkeys(("stride", "dilation", "iterations", "steps"), 1),
    **dict.fromkeys(("bins", "buckets", "num_bins", "n_bins"), 256),
}
_RAGGED = ((131, 67, 97, 53), (37, 259, 19, 41))  # primes and near-primes: no block size divides them
# Arithmetic a timed case may cost for each element asked for: an emulated device interprets it, a GPU does 1e13 a second.
_FLOPS_EMULATED, _FLOPS_GPU = 48, 1024
_GPU_FROM = 1 << 24  # an element count that only hardware is asked for


def timed(shapes: Shapes, elements: int, flops: Polynomial | None, cap: int | None) -> dict[str, int]:
    """Values for every size such that the largest buffer has about `elements` elements, and the arithmetic stays within reason.

    Each is a power of two where free to choose, and at most `cap`.
    """
    values = {size: _small(size, shapes) for size in shapes.sizes}
    free = [size for size, value in values.items() if value == 0]
    buffers = [product(b.shape) for b in shapes.by_name.values() if b.shape is not None]
    known = len(buffers) == len(shapes.by_name)  # a shape still to be filled in may be over all sizes
    rank = max(1, min(max((p.degree for p in buffers), default=1) if known else len(free), len(free)))
    side = 2 ** max(0, round(math.log2(max(2, elements)) / rank))
    allowed = elements * (_FLOPS_GPU if elements >= _GPU_FROM else _FLOPS_EMULATED)
    while side > 1 and (side > (cap or side) or (flops is not None and flops.value({**values, **dict.fromkeys(free, side)}) > allowed)):
        side //= 2
    values.update(dict.fromkeys(free, side))
    if "nnz" in values:
        values.update({size: max(1, side // 16) for size in free if size != "nnz"})
    return values


def ragged(shapes: Shapes, large: Mapping[str, int]) -> list[dict[str, int]]:
    """Two small cases whose sizes no block divides; sizes that are small by nature change little."""
    found = []
    for numbers in _RAGGED:
        case = {}
        for position, size in enumerate(shapes.sizes):
            small = _small(size, shapes)
            value = (max(1, small - 1) if small < 100 else 61) if small else numbers[position % len(numbers)]
            case[size] = value if value < large[size] or small else max(1, large[size] - 3)
        if "nnz" in case:
            case["nnz"] = 4 * max(value for size, value in case.items() if size != "nnz")
        found.append(case)
    return found if found[0] != found[1] else found[:1]


def _small(size: str, shapes: Shapes) -> int:
    """The value of a size that is small by nature; 0 for the others. In one-dimensional problems that includes a kernel length k."""
    shaped = [b.shape for b in shapes.by_name.values() if b.shape is not None]
    if size.lower() == "k" and len(shapes.sizes) > 1 and shaped and all(len(shape) == 1 for shape in shaped):
        return 9
    leading = any(Polynomial.name(size) in shape for shape in shaped)
    value = _SMALL.get(size.lower(), 0)
    return 0 if leading and len(size) == 1 and value and len(shapes.sizes) <= 2 else value
