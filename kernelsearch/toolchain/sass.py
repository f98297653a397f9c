"""Reads machine code as `cuobjdump -sass` prints it: which instructions there are, and whether two builds are the same code.

A pure function of the text; running the tool is the toolchain's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsearch import digest

_FUNCTION = re.compile(r"^\s*Function : \S+", re.MULTILINE)
_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(.+?)\s*;", re.MULTILINE)
_PREDICATE = re.compile(r"^@!?U?P[T0-9]+\s+")
_SPECIAL = re.compile(r"^(?:S2R|CS2R|S2UR)\b.*?\b(SR_[\w.]+)")


@dataclass(frozen=True, slots=True)
class Sass:
    """`instructions`: opcode with its modifiers -> static count; one that reads a special register names it, as in "CS2R SR_CLOCKLO",
    for which register it is says what the instruction does. `digest` names the code without kernel names, the order of
    kernels, encodings and padding; empty when nothing was disassembled."""

    instructions: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""


def read(text: str) -> Sass:
    """The code in a disassembly; an empty `Sass` when `text` holds none."""
    opcodes: Counter[str] = Counter()
    bodies: list[str] = []
    for function in _FUNCTION.split(text)[1:]:
        code = [line for line in _INSTRUCTION.findall(function) if line != "NOP"]
        opcodes.update(_opcode(_PREDICATE.sub("", line)) for line in code)
        bodies.append("\n".join(code))
    if not opcodes:
        return Sass()
    return Sass(dict(sorted(opcodes.items())), digest.of_text(*sorted(bodies)))


def _opcode(instruction: str) -> str:
    opcode = instruction.split(maxsplit=1)[0]
    special = _SPECIAL.match(instruction)
    return f"{opcode} {special[1]}" if special else opcode
