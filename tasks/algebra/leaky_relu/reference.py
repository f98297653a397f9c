"""Leaky rectified linear unit."""

import numpy as np


def leaky_relu(x, n, slope):
    return np.where(x > 0, x, slope * x)
