"""Matrix product."""


def matmul(a, b, m, n, k):
    return a @ b
