"""Largest value in each window of each plane."""

import numpy as np


def max_pooling_2d(x, planes, height, width, window, stride, padding):
    padded = np.full((planes, height + 2 * padding, width + 2 * padding), -np.inf, dtype=x.dtype)
    padded[:, padding : padding + height, padding : padding + width] = x
    rows, cols = (height + 2 * padding - window) // stride + 1, (width + 2 * padding - window) // stride + 1
    y = np.full((planes, rows, cols), -np.inf, dtype=x.dtype)
    for row in range(window):
        for col in range(window):
            y = np.maximum(y, padded[:, row : row + stride * rows : stride, col : col + stride * cols : stride])
    return y
