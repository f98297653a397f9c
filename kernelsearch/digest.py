"""Names for content: hexadecimal BLAKE2b, 128 bits, of what makes two things the same."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Mapping

from kernelsearch.model import Candidate, Expression, Origin, Task


def of_bytes(data: bytes) -> str:
    """The name of a blob."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def of_text(*parts: str) -> str:
    """The name of several texts in order; boundaries count."""
    return of_bytes(b"\0".join(part.encode() for part in parts))


def task(value: Task) -> str:
    """Covers every field that changes what is computed or judged, so not `notes` and `assumptions`, nor what is marked `NO_IDENTITY`."""
    return of_text(_canonical(dataclasses.replace(value, notes="", assumptions=())))


def candidate(value: Candidate) -> str:
    """Covers task, source and flags; not the origin."""
    return of_text(value.task, value.source, *value.flags)


def _canonical(value: object) -> str:
    if isinstance(value, Expression):
        return repr(value.text)
    if isinstance(value, enum.Enum):
        return repr(value.value)
    if dataclasses.is_dataclass(value):
        fields = (f"{f.name}={_canonical(getattr(value, f.name))}" for f in dataclasses.fields(value) if _counts(f, getattr(value, f.name)))
        return f"{type(value).__name__}({','.join(fields)})"
    if isinstance(value, tuple):
        return f"({','.join(_canonical(item) for item in value)})"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    return repr(value)


def _counts(declared: dataclasses.Field[object], value: object) -> bool:
    """Whether a field is part of what makes two things the same."""
    return declared.metadata.get("identity", True) and not (declared.metadata.get("came_later", False) and value == declared.default)


def baseline(of: Task) -> Candidate:
    """The kernel that a task begins with, as a candidate."""
    return Candidate(task=task(of), source=of.baseline, flags=of.flags, origin=Origin(proposer="baseline"))
