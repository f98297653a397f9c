"""Exponential linear unit."""

import numpy as np


def elu(x, n, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))
