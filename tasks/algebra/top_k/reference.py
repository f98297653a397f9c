"""The k largest values of every row."""

import numpy as np


def top_k(x, rows, cols, k):
    return -np.sort(np.partition(-x, k - 1, axis=1)[:, :k], axis=1)
