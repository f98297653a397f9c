"""Mean hinge loss of every row."""

import numpy as np


def hinge_loss(score, label, rows, cols):
    side = (2 * label - 1).astype(score.dtype)
    return np.maximum(0.0, 1.0 - side * score).mean(axis=1)
