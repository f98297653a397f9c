"""PyTorch's own tanh, one kernel."""


def row_tanh(torch, x, rows, cols):
    return torch.tanh(x)
