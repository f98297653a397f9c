"""What names the program that a compiler made: two candidates with the same name differ in nothing that is loaded or runs.

Device code counts as the toolchain disassembled it, so that names of kernels and what the compiler notes about itself do not. Host code
counts as the sections that are loaded: it holds the sizes of launches. Where either cannot be told there is no name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kernelsearch import digest
from kernelsearch.guard.binary import FAT_BINARY
from kernelsearch.guard.elf import CUDA, Elf, read
from kernelsearch.model import Build, Form, Task

_OF_ITS_OWN = ".note"  # identity of the file, made from names and paths too


def code_digest(build: Build, task: Task) -> str:
    """Equal for builds that do the same on the same device; empty where that cannot be said."""
    if not build.ok or task.form not in (Form.LAUNCHER, Form.KERNELS):
        return ""
    try:
        elf = read(Path(build.artifact).read_bytes())
    except OSError:
        return ""
    if elf is None:
        return ""
    device = any(elf.content(section) for section in elf.named(*FAT_BINARY)) or elf.machine == CUDA
    if device and not build.sass_digest:
        return ""
    host = "" if elf.machine == CUDA else _loaded(elf)
    resources = sorted((k.registers, k.shared_bytes, k.stack_bytes, k.spill_load_bytes, k.spill_store_bytes) for k in build.resources)
    return digest.of_text(build.sass_digest if device else "", host, repr(build.plan), repr(resources) if device else "")


def _loaded(elf: Elf) -> str:
    """Of every section that has a place in memory: which it is and what it holds."""
    named = hashlib.blake2b(digest_size=16)
    for section in elf.sections:
        if section.address and section.name not in FAT_BINARY and not section.name.startswith(_OF_ITS_OWN):
            named.update(f"{section.name} {section.size}\0".encode() + elf.content(section))
    return named.hexdigest()
