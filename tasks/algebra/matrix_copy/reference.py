"""Copy of a matrix."""


def matrix_copy(x, rows, cols):
    return x.copy()
