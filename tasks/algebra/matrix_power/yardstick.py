"""PyTorch's repeated squaring with cuBLAS."""


def matrix_power(torch, a, n, power):
    return torch.linalg.matrix_power(a, power)
