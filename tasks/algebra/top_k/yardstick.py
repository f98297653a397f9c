"""PyTorch's topk, which finds positions too."""


def top_k(torch, x, rows, cols, k):
    return torch.topk(x, k, dim=1).values
