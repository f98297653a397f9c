"""compute-sanitizer: where it lies, how it is called, and what its report says. Knows nothing of devices or candidates."""

from kernelsearch.sanitizer.command import ERRORS_FOUND, TOOLS, command
from kernelsearch.sanitizer.doubt import doubted
from kernelsearch.sanitizer.locate import find
from kernelsearch.sanitizer.records import Frame, Record
from kernelsearch.sanitizer.report import SanitizerReport, parse

__all__ = ["ERRORS_FOUND", "Frame", "Record", "SanitizerReport", "TOOLS", "command", "doubted", "find", "parse"]
