"""The system-call filter of a box: assembles `sandbox/policy/seccomp.toml` into a classic BPF program for this machine.

Layout of instructions and of `struct seccomp_data`: linux/filter.h, linux/seccomp.h. Foreign architectures and the x32 table, which
would bypass the numbers, are refused as a whole.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
import tomllib
from functools import lru_cache
from typing import Any

from kernelsearch import paths
from kernelsearch.errors import ToolMissing

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET, linux/sched.h
_NUMBER, _ARCH, _FIRST_ARG = 0, 4, 16  # offsets in struct seccomp_data; the low half of an argument comes first on both machines
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OP_BYTES = 8
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(condition: int, value: int, error: int) -> bytes:
    """If the loaded word meets `condition`, the call fails with `error`."""
    return _op(condition, value, 0, 1) + _op(_RETURN, _ERRNO | error)


@lru_cache(maxsize=1)
def _policy() -> dict[str, Any]:
    return tomllib.loads((paths.data("sandbox") / "policy" / "seccomp.toml").read_text())


@lru_cache(maxsize=4)
def program(machine: str | None = None) -> bytes:
    """The filter for `machine` (default: this one). Raises `ToolMissing` for one that the table does not know."""
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise ToolMissing(f"no system-call table for {machine}; the sandbox knows {', '.join(_AUDIT_ARCH)}")
    policy = _policy()
    numbers = policy["numbers"]
    special = {name: row[machine] for name, row in numbers["special"].items()}
    code = [_op(_LOAD, _ARCH), _op(_EQUAL, _AUDIT_ARCH[machine], 1, 0), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER)]
    if machine == "x86_64":
        code.append(_refuse(_AT_LEAST, _X32_BIT, errno.EPERM))
    code += [_refuse(_EQUAL, row[machine], errno.EPERM) for row in numbers["denied"].values() if row[machine] >= 0]
    code.append(_refuse(_EQUAL, special["clone3"], errno.ENOSYS))
    code += _on_first_argument(special["clone"], _refuse(_ANY_BIT, _NEW_NAMESPACES, errno.EPERM), _ALLOW)
    operations = [_refuse(_EQUAL, operation, errno.EPERM) for operation in policy["prctl"]["denied"].values()]
    code += _on_first_argument(special["prctl"], b"".join(operations), _ALLOW)
    families = [_op(_EQUAL, family, 0, 1) + _op(_RETURN, _ALLOW) for family in policy["socket"]["allowed"].values()]
    code += _on_first_argument(special["socket"], b"".join(families), _ERRNO | errno.EAFNOSUPPORT)
    code.append(_op(_RETURN, _ALLOW))
    return b"".join(code)


def _on_first_argument(number: int, tests: bytes, otherwise: int) -> list[bytes]:
    """For the system call `number`, whose number is loaded: `tests` of its first argument, and what it comes to if none of them ends it."""
    block = _op(_LOAD, _FIRST_ARG) + tests + _op(_RETURN, otherwise)
    return [_op(_EQUAL, number, 0, len(block) // _OP_BYTES), block]


def refused() -> int:
    """How many system calls fail in a box on this machine, whatever their arguments."""
    return sum(row.get(platform.machine(), -1) >= 0 for row in _policy()["numbers"]["denied"].values())


def open_program() -> int:
    """A descriptor to read the filter from, for one box; the caller closes it."""
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    os.write(descriptor, program())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
