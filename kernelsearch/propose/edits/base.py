"""What every edit format shares: the result, and the `FLAGS:` and `SUMMARY:` lines around the edit."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from kernelsearch.errors import ReplyUnusable

COMMON = """
Put one line `SUMMARY: what the edit does, in at most twelve words` before the edit.
Only if other compiler flags are needed, add one line `FLAGS: -O3 …` with all nvcc flags; leave it out to keep the present ones.
"""

_DECORATION = r"[\s*`>#-]*"  # models like to set such lines in bold, in code or in a list
_FLAGS = re.compile(rf"^{_DECORATION}FLAGS[*`]*:[*`]*(.*)$", re.MULTILINE)
_SUMMARY = re.compile(rf"^{_DECORATION}SUMMARY[*`]*:[*`]*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A source after an edit. `flags` is None when the reply leaves the compiler flags as they are."""

    source: str
    flags: tuple[str, ...] | None
    summary: str


def finish(edited: str, original: str, prose: str) -> Edited:
    """The result, with flags and summary read from `prose`: the reply without its edit. Refuses a reply that changes nothing."""
    flags = _flags(prose)
    if edited == original and flags is None:
        raise ReplyUnusable("The edit leaves the source exactly as it is. Change something, or change the flags.")
    found = _SUMMARY.findall(prose)
    return Edited(source=edited, flags=flags, summary=found[-1].strip().strip("`*").strip()[:200] if found else "")


def _flags(prose: str) -> tuple[str, ...] | None:
    found = _FLAGS.findall(prose)
    if not found:
        return None
    text = found[-1].strip().strip("`*").strip()
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ReplyUnusable(f"The FLAGS line cannot be read ({error}): {text!r}") from error
