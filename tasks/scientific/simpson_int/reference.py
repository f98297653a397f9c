"""Composite Simpson's rule for many integrals of a sampled function against a wave.

Nodes t_i = a + i h, h = (b - a) / (2 panels), with (a, b) the bounds of an integral; the integrand is sample_i cos(w t_i + p), with (w, p)
its wave. The weights of the nodes are h/3 times 1, 4, 2, 4, ..., 2, 4, 1.
"""

import numpy as np


def simpson(samples, bounds, waves, integrals, panels):
    a, b, (w, p) = bounds[:, :1], bounds[:, 1:], np.hsplit(waves, 2)
    step = (b - a) / (2 * panels)
    weight = np.where(np.arange(2 * panels + 1) % 2, 4, 2).astype(samples.dtype)
    weight[[0, -1]] = 1
    nodes = a + step * np.arange(2 * panels + 1, dtype=samples.dtype)
    return (samples * np.cos(w * nodes + p) * weight).sum(axis=1) * step[:, 0] / 3
