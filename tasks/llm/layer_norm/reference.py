"""Layer normalisation over the last axis."""

import numpy as np


def layer_norm(x, gamma, beta, rows, cols, eps):
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred * centred).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + eps) * gamma + beta
