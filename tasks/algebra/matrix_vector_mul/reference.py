"""Product of a matrix with a vector."""


def matrix_vector_mul(a, x, rows, cols):
    return a @ x
