"""Nsight Compute: where it lies, how it is called, and what its tables say. Knows nothing of devices or candidates."""

from kernelsearch.nsight.command import MOST_LAUNCHES, command, raw_page, source_page
from kernelsearch.nsight.locate import find_ncu
from kernelsearch.nsight.source import hot_lines
from kernelsearch.nsight.table import KernelRow, Table, parse

__all__ = ["MOST_LAUNCHES", "KernelRow", "Table", "command", "find_ncu", "hot_lines", "parse", "raw_page", "source_page"]
