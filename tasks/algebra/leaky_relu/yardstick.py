"""PyTorch's own leaky_relu, one kernel."""


def leaky_relu(torch, x, n, slope):
    return torch.nn.functional.leaky_relu(x, slope)
