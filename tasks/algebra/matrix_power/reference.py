"""A square matrix to the power of a positive integer."""

import numpy as np


def matrix_power(a, n, power):
    return np.linalg.matrix_power(a, power)
