"""kernelsearch makes CUDA kernels faster: a search under verification, explained by hardware evidence."""

__version__ = "0.2.0"
