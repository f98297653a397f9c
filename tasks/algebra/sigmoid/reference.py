"""Logistic function."""

import numpy as np


def sigmoid(x, n):
    return 1.0 / (1.0 + np.exp(-x))
