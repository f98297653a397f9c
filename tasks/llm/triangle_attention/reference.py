"""Attention along the rows of a pair representation, with a bias that all rows share."""

import math

import numpy as np


def triangle_attention(q, k, v, bias, heads, n, dim):
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(dim) + bias[:, None]
    weights = np.exp(scores - scores.max(axis=3, keepdims=True))
    return weights / weights.sum(axis=3, keepdims=True) @ v
