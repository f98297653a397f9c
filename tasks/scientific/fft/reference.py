"""Discrete Fourier transform of each row of complex numbers, real and imaginary parts next to each other."""

import numpy as np


def fft(x, batch, n):
    transformed = np.fft.fft(x[:, 0::2] + 1j * x[:, 1::2], axis=1)
    y = np.empty_like(x)
    y[:, 0::2], y[:, 1::2] = transformed.real, transformed.imag
    return y
