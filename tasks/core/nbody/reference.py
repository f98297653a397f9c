"""Softened gravitational acceleration, in blocks of bodies so that memory stays small."""

import numpy as np


def acceleration(position, mass, n, softening):
    result = np.empty((n, 3))
    for start in range(0, n, 256):
        apart = position[None, :, :] - position[start : start + 256, None, :]
        square = (apart**2).sum(axis=2) + softening
        result[start : start + 256] = np.einsum("ij,ijk->ik", mass / (square * np.sqrt(square)), apart)
    return result
