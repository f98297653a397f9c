"""Product of square matrices."""


def square_matrix_mul(a, b, n):
    return a @ b
