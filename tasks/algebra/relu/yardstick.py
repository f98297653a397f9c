"""PyTorch's own relu, one kernel."""


def relu(torch, x, n):
    return torch.nn.functional.relu(x)
