"""Two projections, one gated by the other."""

import numpy as np


def swiglu(x, gate, up, tokens, hidden, inner):
    gated = x @ gate
    return gated / (1.0 + np.exp(-gated)) * (x @ up)
