"""Functions of a loaded shared object that it does not export, found by its symbol table (ELF64, little endian).

nvcc links the CUDA runtime statically and hides it, so a launcher's own `cudaGetLastError`, which alone knows of a launch that was
refused, cannot be had from the dynamic linker.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Collection
from pathlib import Path

_SYMTAB = 2  # SHT_SYMTAB


def addresses(path: Path, names: Collection[str], known: str, known_address: int) -> dict[str, int]:
    """Where those functions of `path` lie in this process, given where one of them does. What is not in the table is left out."""
    values = _values(path.read_bytes(), {*names, known})
    if known not in values:
        return {}
    base = known_address - values[known]
    return {name: base + values[name] for name in names if name in values}


def address_of(library: ctypes.CDLL, name: str) -> int:
    """Where an exported function lies."""
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


def _values(image: bytes, names: Collection[str]) -> dict[str, int]:
    """Values of the symbols called `names`; none for a stripped file."""
    table_offset, entry_size, count = (*struct.unpack_from("<Q", image, 0x28), *struct.unpack_from("<HH", image, 0x3A))
    sections = [struct.unpack_from("<IIQQQQII", image, table_offset + index * entry_size) for index in range(count)]
    found: dict[str, int] = {}
    for _, kind, _, _, offset, size, link, _ in sections:
        if kind != _SYMTAB:
            continue
        strings = sections[link][4]
        for position in range(offset, offset + size, 24):
            name_at, _, _, _, value = struct.unpack_from("<IBBHQ", image, position)
            name = image[strings + name_at : image.index(b"\0", strings + name_at)].decode(errors="replace")
            if name in names and value:
                found[name] = value
    return found
