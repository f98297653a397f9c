"""Reads as much of an ELF file as the guard asks about: sections, segments, symbols, relocations and what is linked dynamically.

The file was made from a candidate's source and may be damaged on purpose: whatever does not lie within it is not there, and `read`
gives None for what is no ELF file of 64 bits, little-endian. Nothing here raises.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

X86_64, CUDA = 62, 190
FUNCTION, INDIRECT_FUNCTION = 2, 10
EXECUTABLE_STACK, LOADED = 0x6474E551, 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_DYNAMIC = struct.Struct("<qQ")
_SYMTAB, _RELA, _DYNSYM, _NOBITS = 2, 4, 11, 8
_EXECUTABLE = 4
_TABLE_ENTRIES = 1 << 20  # beyond what a compiler makes of a source of the size allowed
_NAME_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    name: str
    kind: int
    executable: bool
    address: int
    offset: int
    size: int
    link: int
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """`defined` within this file; `exported` when others can bind to it; `other` holds visibility and, on the device, more."""

    name: str
    kind: int
    address: int
    size: int
    defined: bool
    exported: bool
    other: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """At `address` comes `addend`, beyond the address of `symbol` unless that is empty."""

    address: int
    symbol: str
    addend: int


class Elf:
    """One file. Everything is read when it is asked for."""

    def __init__(self, data: bytes, machine: int, sections: tuple[Section, ...], segments: tuple[tuple[int, int], ...]) -> None:
        self._data = data
        self.machine = machine
        self.sections = sections
        self.segments = segments  # kind and flags

    def content(self, section: Section) -> bytes:
        return b"" if section.kind == _NOBITS else self._data[section.offset : section.offset + section.size]

    def named(self, *names: str) -> list[Section]:
        return [section for section in self.sections if section.name in names]

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The full table, which a stripped file lacks."""
        return self._symbols(_SYMTAB)

    @cached_property
    def dynamic_symbols(self) -> tuple[Symbol, ...]:
        return self._symbols(_DYNSYM)

    @cached_property
    def relocations(self) -> tuple[Relocation, ...]:
        """Those the loader applies."""
        names = self.dynamic_symbols
        return tuple(
            Relocation(address=address, symbol=names[info >> 32].name if info >> 32 < len(names) else "", addend=addend)
            for section in self.sections
            if section.kind == _RELA
            for address, info, addend in _table(_RELOCATION, self.content(section))
        )

    @cached_property
    def dynamic(self) -> tuple[tuple[int, str], ...]:
        """The dynamic section's entries that are names: tag and text."""
        found = []
        for section in self.named(".dynamic"):
            strings = self._strings(section.link)
            found += [(tag, _text(strings, value)) for tag, value in _table(_DYNAMIC, self.content(section)) if tag in (1, 15, 29)]
        return tuple(found)

    def _symbols(self, kind: int) -> tuple[Symbol, ...]:
        return tuple(symbol for section in self.sections if section.kind == kind for symbol in self._of_table(section))

    def _of_table(self, section: Section) -> Iterator[Symbol]:
        strings = self._strings(section.link)
        for name, info, other, index, value, size in _table(_SYMBOL, self.content(section)):
            yield Symbol(
                name=_text(strings, name),
                kind=info & 15,
                address=value,
                size=size,
                defined=index != 0,
                exported=index != 0 and info >> 4 != 0 and other & 3 in (0, 3),
                other=other,
            )

    def _strings(self, index: int) -> bytes:
        return self.content(self.sections[index]) if index < len(self.sections) else b""


def read(data: bytes) -> Elf | None:
    """The file, or None when it is not one."""
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        return None
    _, _, machine, _, _, segments_at, sections_at, _, _, _, segments, _, sections, names = _HEADER.unpack_from(data)
    rows = list(_table(_SECTION, data[sections_at : sections_at + sections * _SECTION.size]))
    strings = data[rows[names][4] : rows[names][4] + rows[names][5]] if names < len(rows) else b""
    segment_rows = _table(_SEGMENT, data[segments_at : segments_at + segments * _SEGMENT.size])
    return Elf(data, machine, tuple(_section(row, strings) for row in rows), tuple((row[0], row[1]) for row in segment_rows))


def _section(row: tuple[int, ...], strings: bytes) -> Section:
    name, kind, flags, address, offset, size, link, _, _, entry = row
    return Section(
        name=_text(strings, name),
        kind=kind,
        executable=bool(flags & _EXECUTABLE),
        address=address,
        offset=offset,
        size=size,
        link=link,
        entry=entry,
    )


def _table(row: struct.Struct, data: bytes) -> Iterator[tuple[int, ...]]:
    """The whole rows in `data`."""
    whole = min(len(data) // row.size, _TABLE_ENTRIES) * row.size
    return row.iter_unpack(data[:whole])


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset, offset + _NAME_BYTES) if offset < len(strings) else -1
    return strings[offset:end].decode(errors="replace") if end >= 0 else ""
