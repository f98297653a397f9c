"""Cross entropy of every row with its target."""

import numpy as np


def cross_entropy_loss(logits, target, rows, classes):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(rows), target]
