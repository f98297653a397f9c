"""Matrix transpose."""


def transpose(x, rows, cols):
    return x.T
