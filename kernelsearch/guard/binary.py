"""A look at what was built: names that the source hid are names here, and machine code says what it does.

A tripwire like the source's. A shared object is compared with what an honest one holds, a cubin with its launch plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kernelsearch.guard.calls import referred
from kernelsearch.guard.check import ordered
from kernelsearch.guard.elf import CUDA, EXECUTABLE_STACK, FUNCTION, INDIRECT_FUNCTION, LOADED, Elf, read
from kernelsearch.guard.policy import Rule, guard_policy
from kernelsearch.model import Build, Finding, Form, Task

_NEEDED, _RUN_PATHS = 1, (15, 29)
FAT_BINARY = (".nv_fatbin", "__nv_relfatbin", ".nvFatBinSegment")
_STARTING = (".init_array", ".preinit_array", ".ctors", ".fini_array", ".dtors")
_GLOBAL_OBJECT = re.compile(r"_GLOBAL__(sub_)?[ID]_.*")
_ENTRY = 0x10  # in a device symbol's `other`: a kernel, not a function it calls
_WRITABLE, _EXECUTABLE = 2, 1
_NAMES_TOLD = 4


def inspect(build: Build, task: Task) -> tuple[Finding, ...]:
    """What there is to say of a build that is ok, forbidden findings first. Reads the artifact of forms that a compiler makes."""
    findings = [*_instructions(build.instructions, task)]
    if task.form in (Form.LAUNCHER, Form.KERNELS):
        try:
            data = Path(build.artifact).read_bytes()
        except OSError:
            data = b""
        elf = read(data)
        if elf is None:
            findings.append(Finding(rule="unreadable binary", message="what was built is not an ELF file of 64 bits"))
        else:
            findings += _cubin(elf, build, task) if elf.machine == CUDA else _shared_object(elf, task)
    return ordered(findings)


def _forbidden(rule: str, message: str) -> Finding:
    return Finding(rule=rule, message=message, forbidden=True)


def _instructions(instructions: Mapping[str, int], task: Task) -> Iterator[Finding]:
    for rule in guard_policy().sass:
        if not rule.moot(task) and (found := [name for name in instructions if rule.pattern.fullmatch(name)]):
            yield rule.finding(more=_told(found))


def _told(names: Iterable[str]) -> str:
    """A few names, to end a message with."""
    if not (names := sorted(names)):
        return ""
    return f": {', '.join(name[:80] for name in names[:_NAMES_TOLD])}{' …' if len(names) > _NAMES_TOLD else ''}"


def _symbols(names: Iterable[str], rules: Sequence[Rule]) -> Iterator[Finding]:
    names = sorted(names)
    for rule in rules:
        if found := [name for name in names if rule.pattern.fullmatch(name)]:
            yield rule.finding(more=_told(found))


def _cubin(elf: Elf, build: Build, task: Task) -> Iterator[Finding]:
    kernels = {symbol.name for symbol in elf.symbols if symbol.kind == FUNCTION and symbol.defined and symbol.other & _ENTRY}
    if build.plan and (more := kernels - {launch.kernel for launch in build.plan.launches}):
        yield Finding(rule="further kernels", message="kernels that the launch plan does not name" + _told(more))
    if any(section.size for section in elf.named(".nv.global")):
        yield Finding(rule="keeps state", message="a global on the device outlives the call and could keep results")
    yield from _symbols({symbol.name for symbol in elf.symbols if not symbol.defined}, guard_policy().symbols)


def _shared_object(elf: Elf, task: Task) -> Iterator[Finding]:
    policy = guard_policy()
    maker = "nvcc" if elf.named(*FAT_BINARY) else "emulated"
    yield from _linked(elf, task)
    yield from _exported(elf, task)
    yield from _started(elf, policy.binary.starters[maker])
    yield from _code(elf)
    names = referred(elf, policy.binary.runtime, policy.binary.searched_bytes) if maker == "nvcc" else None
    if names is None:
        names = frozenset(symbol.name for symbol in elf.dynamic_symbols if not symbol.defined) - policy.binary.imports[maker]
    yield from _symbols(names, policy.symbols)


def _linked(elf: Elf, task: Task) -> Iterator[Finding]:
    for tag, text in elf.dynamic:
        if tag in _RUN_PATHS:
            yield _forbidden("library", f"says where libraries are to be looked for: {text[:80]}")
        elif tag == _NEEDED and not _allowed(text, task):
            yield _forbidden("library", f"is linked with {text[:80]}, which the task does not allow")


def _allowed(library: str, task: Task) -> bool:
    own = guard_policy().binary.needed.fullmatch(library) is not None
    return own or any(library.startswith(f"lib{name}") for name in task.policy.libraries)


def _exported(elf: Elf, task: Task) -> Iterator[Finding]:
    """No name of CUDA, and none of the names by which the runtime calls the C library."""
    policy = guard_policy().binary
    exported = {symbol.name for symbol in elf.dynamic_symbols if symbol.exported} - {task.entry}
    if taken := [name for name in exported if name in policy.imports["nvcc"] or policy.interposes.fullmatch(name)]:
        yield _forbidden("interposes a function", "exports names that belong to CUDA or the C library" + _told(taken))


def _started(elf: Elf, own: re.Pattern[str]) -> Iterator[Finding]:
    """Code that runs when the library is loaded or unloaded, beyond the toolchain's. Global objects of C++ have honest uses."""
    if indirect := {symbol.name for symbol in (*elf.symbols, *elf.dynamic_symbols) if symbol.kind == INDIRECT_FUNCTION and symbol.defined}:
        yield _forbidden("runs when loaded", "functions that are chosen when the library is loaded" + _told(indirect))
    places = [(section.address, section.address + section.size) for section in elf.sections if section.name.startswith(_STARTING)]
    entries = [entry for entry in elf.relocations if any(start <= entry.address < end for start, end in places)]
    if not elf.symbols:
        yield Finding(rule="unreadable binary", message="its symbols are stripped, so what runs when it is loaded has no name")
        return
    names: dict[int, set[str]] = {}
    for symbol in elf.symbols:
        if symbol.kind == FUNCTION and symbol.defined:
            names.setdefault(symbol.address, set()).add(symbol.name)
    for entry in entries:
        called = {entry.symbol} if entry.symbol else names.get(entry.addend, set())
        if any(own.fullmatch(name) for name in called):
            continue
        if not called or any(_GLOBAL_OBJECT.fullmatch(name) for name in called):
            yield Finding(rule="runs when loaded", message="a global object is made when the library is loaded" + _told(called))
        else:
            yield _forbidden("runs when loaded", "code that runs when the library is loaded or unloaded" + _told(called))


def _code(elf: Elf) -> Iterator[Finding]:
    """Code where none belongs: of the device outside the fat binary, of the host where it can be written."""
    for section in elf.sections:
        if section.executable or section.name in FAT_BINARY:
            continue
        if guard_policy().binary.device_code.search(elf.content(section)):
            yield Finding(rule="carries device code", message=f"device code outside the fat binary, in {section.name[:40]}")
    for kind, flags in elf.segments:
        if flags & _EXECUTABLE and (kind == EXECUTABLE_STACK or (kind == LOADED and flags & _WRITABLE)):
            yield Finding(rule="writable code", message="memory that is both written and run")
