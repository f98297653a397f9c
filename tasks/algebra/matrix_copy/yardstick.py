"""PyTorch's copy: cudaMemcpyAsync within the device."""


def matrix_copy(torch, x, rows, cols):
    return x.clone()
