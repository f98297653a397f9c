"""PyTorch's fused attention: cuDNN's, Flash-Attention's or its own kernel, as it chooses."""


def softmax_attention(torch, q, k, v, heads, queries, keys, dim):
    return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]
