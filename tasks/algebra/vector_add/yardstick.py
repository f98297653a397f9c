"""PyTorch's addition, one kernel."""


def vector_add(torch, a, b, n):
    return a + b
