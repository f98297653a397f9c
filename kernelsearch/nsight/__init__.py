"""Nsight Compute: where it lies, how it is called, and what its table says. Knows nothing of devices or candidates."""

from kernelsearch.nsight.command import command
from kernelsearch.nsight.locate import find_ncu
from kernelsearch.nsight.table import KernelRow, Table, parse

__all__ = ["KernelRow", "Table", "command", "find_ncu", "parse"]
