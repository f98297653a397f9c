"""PyTorch's own layer_norm, one kernel."""


def layer_norm(torch, x, gamma, beta, rows, cols, eps):
    return torch.nn.functional.layer_norm(x, (cols,), gamma, beta, eps)
