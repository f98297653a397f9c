"""Mean hinge loss."""

import numpy as np


def hinge_loss(score, label, n):
    side = (2 * label - 1).astype(score.dtype)
    return np.maximum(0.0, 1.0 - side * score).mean(keepdims=True)
