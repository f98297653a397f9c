"""Sum of a vector."""


def total(x, n):
    return x.sum(keepdims=True)
