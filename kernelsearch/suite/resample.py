"""How far a mean over tasks may be off when the tasks are a sample: bootstrap intervals, and tests by exchanging signs. Seeded."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95
_RESAMPLES = 4000
_EXACT = 12  # up to so many differences all their signs are tried, 4096 ways
_SEED = 20261124  # fixed: the same rows always give the same interval


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE, *, seed: int = _SEED) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean; None for fewer than two values, which say nothing of others."""
    data = np.asarray(values, dtype=np.float64)
    if data.size < 2:
        return None
    places = np.random.default_rng(seed).integers(0, data.size, size=(_RESAMPLES, data.size))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(data[places].mean(axis=1), (tail, 1.0 - tail))
    return float(low), float(high)


def sign_test(differences: Sequence[float], *, seed: int = _SEED) -> float:
    """Two-sided p of the mean by exchanging the two of each pair: how often chance alone gives a mean as far from 0.

    Exact for few differences. Differences of exactly 0 say nothing either way and stay in: they make no p smaller.
    """
    data = np.asarray(differences, dtype=np.float64)
    if data.size == 0:
        return 1.0
    if data.size <= _EXACT:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=data.size)))
    else:
        signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(_RESAMPLES * 4, data.size))
        signs[0] = 1.0  # what was observed is one of the ways
    sums = np.abs(signs @ data)
    return float(np.mean(sums >= abs(data.sum()) * (1.0 - 1e-12)))
