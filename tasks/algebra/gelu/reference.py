"""GELU activation in its tanh form."""

import numpy as np


def gelu(x, n):
    return 0.5 * x * (1.0 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
