"""Kernel Tuner's file formats: tuning spaces (T1), results (T4) and its cache, in and out.

T1 says what may be chosen and how the kernel is launched, T4 and the cache what came of it. All times in them are milliseconds.
"""

from kernelsearch.formats.kerneltuner.results import (
    Invalidity,
    Recording,
    Trial,
    cache_as_text,
    read_cache,
    read_t4,
    t4_as_text,
)
from kernelsearch.formats.kerneltuner.space import Configuration, Launch, Parameter, Space, Value, read_t1

__all__ = [
    "Configuration", "Launch", "Parameter", "Space", "Value", "read_t1",
    "Invalidity", "Recording", "Trial", "cache_as_text", "read_cache", "read_t4", "t4_as_text",
]  # fmt: skip
