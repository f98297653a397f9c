"""cuDNN's batch normalisation, or PyTorch's own, as it chooses."""


def batch_norm(torch, x, gamma, beta, batch, channels, pixels, eps):
    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
