"""Convolution of images of several channels."""

import numpy as np


def conv_2d(x, w, batch, inputs, outputs, height, width, window):
    rows, cols = height - window + 1, width - window + 1
    y = np.zeros((batch, outputs, rows * cols), dtype=x.dtype)
    for row in range(window):
        for col in range(window):
            y += w[:, :, row, col] @ x[:, :, row : row + rows, col : col + cols].reshape(batch, inputs, rows * cols)
    return y.reshape(batch, outputs, rows, cols)
