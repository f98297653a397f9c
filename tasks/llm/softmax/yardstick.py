"""PyTorch's own softmax, one kernel."""


def softmax(torch, x, rows, cols):
    return torch.softmax(x, dim=1)
