"""Rotary position embedding, with halves paired."""

import numpy as np


def rope(x, cos, sin, tokens, heads, half):
    first, second = x[:, :, :half], x[:, :, half:]
    cos, sin = cos[:, None], sin[:, None]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=2)


def tables(rng, sizes, distribution):
    """Cosine and sine of position times frequency, for consecutive positions from a random one."""
    position = rng.integers(0, 8192) + np.arange(sizes["tokens"])
    frequency = 10000.0 ** (-np.arange(sizes["half"]) / sizes["half"])
    angle = position[:, None] * frequency
    return {"cos": np.cos(angle), "sin": np.sin(angle)}
