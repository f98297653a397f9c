"""PyTorch's own elu, one kernel."""


def elu(torch, x, n, alpha):
    return torch.nn.functional.elu(x, alpha)
