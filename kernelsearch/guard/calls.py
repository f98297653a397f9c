"""What the candidate's own host code refers to, in a shared object that also holds the CUDA runtime.

The runtime that nvcc links in opens libraries, maps memory and starts threads, so the names a launcher imports tell little. Its
functions have names of their own, though, and an x86-64 instruction refers to another place by its distance: wherever four bytes
outside the runtime's functions are the distance to an imported function's stub or slot, or to a function of the runtime, the
candidate refers to it. Four bytes by chance do so once in ten million.
"""

from __future__ import annotations

import bisect
import itertools
import re
import sys
from array import array
from collections.abc import Iterator, Mapping

from kernelsearch.guard.elf import FUNCTION, X86_64, Elf, Section

_JUMP = re.compile(rb"\xff\x25", re.DOTALL)  # jmp *slot(%rip)
_STUB_BYTES = 16


def referred(elf: Elf, runtime: re.Pattern[str], most_bytes: int) -> frozenset[str] | None:
    """Names that code other than the runtime's refers to. None when it cannot be told: stripped, another machine, or too much code."""
    starts = sorted({(symbol.address, symbol.name) for symbol in elf.symbols if symbol.kind == FUNCTION and symbol.defined})
    if elf.machine != X86_64 or not starts or sys.byteorder != "little":
        return None
    targets = _targets(elf)
    targets.update((address, name) for address, name in starts if runtime.fullmatch(name))
    pieces = [piece for section in elf.sections if _is_code(section) for piece in _pieces(elf, section, starts, runtime)]
    if sum(len(code) for _, code in pieces) > most_bytes:
        return None
    return frozenset(name for address, code in pieces for name in _found(address, code, targets)) | _in_data(elf)


def _is_code(section: Section) -> bool:
    return section.executable and not section.name.startswith((".plt", ".init", ".fini"))


def _targets(elf: Elf) -> dict[int, str]:
    """Addresses that stand for imported functions: their slots, which the loader fills, and the stubs that jump by them."""
    slots = {entry.address: entry.symbol for entry in elf.relocations if entry.symbol}
    targets = dict(slots)
    for section in elf.sections:
        if not section.executable or not section.name.startswith(".plt"):
            continue
        code, width = elf.content(section), section.entry if section.entry in (8, 16) else _STUB_BYTES
        for match in _JUMP.finditer(code):
            after = match.end() + 4
            slot = section.address + after + int.from_bytes(code[match.end() : after], "little", signed=True)
            if slot in slots:
                targets[section.address + match.start() // width * width] = slots[slot]
    return targets


def _pieces(elf: Elf, section: Section, starts: list[tuple[int, str]], runtime: re.Pattern[str]) -> Iterator[tuple[int, bytes]]:
    """Stretches of `section` that are not the runtime's, each from one function's start to the next."""
    code = elf.content(section)
    end = section.address + len(code)
    first = bisect.bisect_left(starts, (section.address, ""))
    bounds = [(section.address, ""), *starts[first : bisect.bisect_left(starts, (end, ""))], (end, "")]
    for (address, name), (following, _) in itertools.pairwise(bounds):
        if following > address and not runtime.fullmatch(name):
            yield address, code[address - section.address : following - section.address + 3]


def _found(address: int, code: bytes, targets: Mapping[int, str]) -> Iterator[str]:
    for phase in range(4):
        distances = array("i", code[phase : phase + (len(code) - phase) // 4 * 4])
        place = address + phase + 4
        for distance in distances:
            if (name := targets.get(place + distance)) is not None:
                yield name
            place += 4


def _in_data(elf: Elf) -> frozenset[str]:
    """Names whose addresses stand in tables of data, not in the slots that code goes by."""
    slots = [(section.address, section.address + section.size) for section in elf.named(".got", ".got.plt")]
    return frozenset(
        entry.symbol for entry in elf.relocations if entry.symbol and not any(start <= entry.address < end for start, end in slots)
    )
