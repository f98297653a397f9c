"""cuBLAS through torch.mv."""


def matrix_vector_mul(torch, a, x, rows, cols):
    return torch.mv(a, x)
