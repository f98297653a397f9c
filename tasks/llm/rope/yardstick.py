"""A composition of PyTorch's operations: it has no fused one."""


def rope(torch, x, cos, sin, tokens, heads, half):
    first, second = x[:, :, :half], x[:, :, half:]
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=2)
