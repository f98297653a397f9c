"""Hyperbolic tangent of every element."""

import numpy as np


def row_tanh(x, rows, cols):
    return np.tanh(x)
