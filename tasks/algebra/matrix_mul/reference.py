"""Matrix product."""


def matrix_mul(a, b, m, n, k):
    return a @ b
