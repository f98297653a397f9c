"""cuBLAS through torch.dot."""


def dot_product(torch, a, b, n):
    return torch.dot(a, b).float().reshape(1)
