"""kernelsearch makes CUDA kernels faster: a search under verification, explained by hardware evidence."""

__version__ = "0.3.0.dev0"
