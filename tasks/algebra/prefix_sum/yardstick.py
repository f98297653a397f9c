"""PyTorch's cumsum: CUB's scan."""


def prefix_sum(torch, x, n):
    return torch.cumsum(x, 0)
