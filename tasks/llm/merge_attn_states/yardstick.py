"""A composition of PyTorch's operations: it has no fused one."""


def merge_attn_states(torch, prefix, prefix_lse, suffix, suffix_lse, tokens, heads, dim):
    out_lse = torch.logaddexp(prefix_lse, suffix_lse)
    first = torch.exp(prefix_lse - out_lse).t()[:, :, None].to(prefix.dtype)
    second = torch.exp(suffix_lse - out_lse).t()[:, :, None].to(prefix.dtype)
    return {"out": prefix * first + suffix * second, "out_lse": out_lse}
