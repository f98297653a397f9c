"""Where bit equality can be asked of floats: small integers through an operation that is linear in each of its inputs.

A sum of products of small integers is an integer, and float32 holds every integer below 2^24, so each partial sum is exact in whatever
order it is formed, with or without fused multiply-add. One element left out, doubled or taken from the neighbour then shows at any
tolerance. That an operation is linear is found out, not declared: f(x + y) + f(0) = f(x) + f(y) for each float input with the others
held, which also admits a bias. All these results must lie on a grid of a power of two; a mean over 49 elements does not. And the
output must depend on every input: a weight that is 1 only because it is divided by itself may be off by a rounding in honest code.

What it costs: algorithms that trade exactness for speed (fast Fourier transforms, Winograd's larger tiles) fail. A task that wants
them gives its tolerance by hand, or leaves the integers out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kernelsearch.workload import Array

Evaluate = Callable[[Mapping[str, Array]], Mapping[str, Array]]

_HELD = 2.0**24  # integers up to here are exact in float32
_FINEST = 8  # fractions down to 2^-8: coefficients such as 0.5 are exact too
_SEED = 24


def exact_integers(inputs: Mapping[str, Array], exact: Mapping[str, Array], evaluate: Evaluate, length: float) -> frozenset[str]:
    """Those outputs in `exact` (float64, by name) that any honest order of evaluation gives exactly.

    `inputs` hold small integers, `evaluate` is the reference, `length` the number of terms in its longest sum.
    """
    floats = [name for name, values in inputs.items() if values.dtype.kind == "f"]
    grids = {name: grid for name, values in exact.items() if (grid := _grid(values)) is not None}
    if not floats or not grids:
        return frozenset()
    largest = evaluate({name: np.abs(values) if name in floats else values for name, values in inputs.items()})
    terms = length * float(np.prod([max(1.0, float(np.abs(inputs[name]).max(initial=0.0))) for name in floats]))
    for name in list(grids):
        reach = max(terms, float(np.abs(largest[name]).max(initial=0.0)), float(np.abs(exact[name]).max(initial=0.0)))
        if not reach * 2.0 ** grids[name] < _HELD:
            del grids[name]
    rng = np.random.Generator(np.random.PCG64(_SEED))
    for name in floats:
        if grids:
            linear = _linear_in(name, inputs, {output: exact[output] for output in grids}, evaluate, rng)
            grids = {output: grid for output, grid in grids.items() if output in linear}
    return frozenset(grids)


def _linear_in(
    name: str, inputs: Mapping[str, Array], exact: Mapping[str, Array], evaluate: Evaluate, rng: np.random.Generator
) -> set[str]:
    """The outputs that are linear in input `name` up to a constant, depend on it, and stay on the grid."""
    x = inputs[name]
    y = rng.choice(np.array([-2, -1, 1, 2]), size=x.shape).astype(x.dtype)  # no zeros: a single one would look like an input unread
    of_none, of_y, of_both = (evaluate({**inputs, name: values}) for values in (np.zeros_like(x), y, x + y))
    return {
        output
        for output, of_x in exact.items()
        if np.array_equal(of_both[output] + of_none[output], of_x + of_y[output])
        and _grid(of_y[output]) is not None
        and not (np.array_equal(of_none[output], of_x) and np.array_equal(of_none[output], of_y[output]))
    }


def _grid(values: Array) -> int | None:
    """The least s such that every value is a multiple of 2^-s; None when there is none."""
    for s in range(_FINEST + 1):
        scaled = values * 2.0**s
        if np.array_equal(scaled, np.rint(scaled)):
            return s
    return None
