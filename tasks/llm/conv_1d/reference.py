"""A signal filtered by a short kernel."""

import numpy as np


def conv_1d(x, w, n, taps):
    count = n - taps + 1
    y = np.zeros(count, dtype=x.dtype)
    for tap in range(taps):
        y += w[tap] * x[tap : tap + count]
    return y
