"""PyTorch's own selu, one kernel."""


def selu(torch, x, n):
    return torch.nn.functional.selu(x)
