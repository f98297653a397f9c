"""Reads what `ptxas -v` says: pure functions of its text.

One entry reads, since CUDA 5 and up to 13.0 at least:

    ptxas info    : Compiling entry function '_Z5scalePKfPfi' for 'sm_90a'
    ptxas info    : Function properties for _Z5scalePKfPfi
        0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
    ptxas info    : Used 10 registers, used 1 barriers, 1024 bytes smem, 380 bytes cmem[0]

Properties of other functions, which an entry may call, stand between; they are not the entry's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernelsearch.model import KernelResources

_ENTRY = re.compile(r"Compiling entry function '([^']+)'")
_PROPERTIES = re.compile(r"Function properties for '?([^\s']+)'?")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_REGISTERS = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+)(?:\+(\d+))? bytes smem")
_CONSTANT = re.compile(r"(\d+)(?:\+(\d+))? bytes cmem\[\d+\]")
_CHATTER = re.compile(r"^ptxas info +: (?:Compil|Function properties|Used \d|\d+ bytes|Overriding)|^ +\d+ bytes stack frame", re.MULTILINE)
_LENGTH = re.compile(r"L?(\d+)")


@dataclass(frozen=True, slots=True)
class _Frame:
    """The line of a function's properties, in bytes."""

    stack: int = 0
    stores: int = 0
    loads: int = 0


def resources(text: str) -> tuple[KernelResources, ...]:
    """The kernels in `text`, in its order, under their symbols (mangled names); sizes in bytes."""
    found: list[KernelResources] = []
    frames: dict[str, _Frame] = {}
    entry = described = ""
    for line in text.splitlines():
        if match := _ENTRY.search(line):
            entry = match[1]
        elif match := _PROPERTIES.search(line):
            described = match[1]
        elif match := _STACK.search(line):
            frames[described] = _Frame(int(match[1]), int(match[2]), int(match[3]))
        elif entry and (match := _REGISTERS.search(line)):
            frame = frames.get(entry, _Frame())
            found.append(
                KernelResources(
                    kernel=entry,
                    registers=int(match[1]),
                    spill_store_bytes=frame.stores,
                    spill_load_bytes=frame.loads,
                    shared_bytes=_total(_SHARED, line),
                    constant_bytes=_total(_CONSTANT, line),
                    stack_bytes=frame.stack,
                )
            )
            entry = ""
    return tuple(found)


def without_report(text: str) -> str:
    """`text` less the lines that `resources` reads: what is left are warnings and errors."""
    return "\n".join(line for line in text.splitlines() if line.strip() and not _CHATTER.match(line))


def plain_name(symbol: str) -> str:
    """The name in the source of a function whose symbol follows the Itanium C++ ABI: `_ZN1a5scalePKfPfi` is "scale".

    Template arguments, namespaces and parameter types are dropped; a symbol that is not mangled is its own name.
    """
    if not symbol.startswith("_Z"):
        return symbol
    rest, name = symbol[2:], ""
    nested = rest.startswith("N")
    rest = rest[1:] if nested else rest
    while match := _LENGTH.match(rest):
        end = match.end() + int(match[1])
        name, rest = rest[match.end() : end], rest[end:]
        if not nested:
            break
    return name or symbol


def _total(pattern: re.Pattern[str], line: str) -> int:
    """The sum of all sizes of a kind; old compilers print "16+8 bytes" for declared plus reserved."""
    return sum(int(match[1]) + int(match[2] or 0) for match in pattern.finditer(line))
