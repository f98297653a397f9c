"""PyTorch's flip, one kernel."""


def reverse_array(torch, x, n):
    return torch.flip(x, (0,))
