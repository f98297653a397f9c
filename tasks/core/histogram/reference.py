"""Counts of small integers, and how they are spread over the bins."""

import numpy as np


def histogram(x, n, bins):
    return np.bincount(x, minlength=bins)


def make_inputs(rng, sizes, distribution):
    n, bins = sizes["n"], sizes["bins"]
    if distribution == "normal":
        x = np.clip(np.round(rng.normal(bins / 2, bins / 5, size=n)), 0, bins - 1)
    else:
        x = rng.integers(0, bins, size=n)
        if distribution == "spikes":
            x = np.where(rng.random(n) < 0.95, rng.integers(0, bins), x)
    return {"x": x.astype(np.int64)}
