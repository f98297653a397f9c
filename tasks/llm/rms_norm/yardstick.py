"""PyTorch's own rms_norm."""


def rms_norm(torch, x, weight, rows, cols, eps):
    return torch.nn.functional.rms_norm(x, (cols,), weight, eps)
