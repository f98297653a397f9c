"""A vector in ascending order."""

import numpy as np


def sorting(x, n):
    return np.sort(x)
