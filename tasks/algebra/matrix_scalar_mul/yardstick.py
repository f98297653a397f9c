"""PyTorch's product with a number, one kernel."""


def matrix_scalar_mul(torch, x, rows, cols, alpha):
    return x * alpha
