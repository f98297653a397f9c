"""Two partial attentions merged by the logarithms of their sums of exponentials."""

import numpy as np


def merge_attn_states(prefix, prefix_lse, suffix, suffix_lse, tokens, heads, dim):
    largest = np.maximum(prefix_lse, suffix_lse)
    first, second = np.exp(prefix_lse - largest), np.exp(suffix_lse - largest)
    total = first + second
    out = prefix * (first / total).T[:, :, None] + suffix * (second / total).T[:, :, None]
    return {"out": out, "out_lse": largest + np.log(total)}
