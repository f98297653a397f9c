"""What a failed g++ build of a CUDA source means: the candidate's mistake, or something that the emulation lacks."""

from __future__ import annotations

import re

from kernelsearch.model import Verdict

MARK = "kernelsearch-unsupported: "  # how the emulation's headers name what they lack (sandbox/emulation/abi.h)
_AT = re.compile(r"^(?:candidate\.cu|launch plan):(\d+)(?::\d+)?: (?:fatal )?error: (.*)$", re.MULTILINE)
_ERROR = re.compile(r": (?:fatal )?error: (.*)$", re.MULTILINE)
_INCLUDED = re.compile(r"from candidate\.cu:(\d+)")
_REACHED = re.compile(r"candidate\.cu:(\d+)")
_NO_HEADER = re.compile(r"(\S+): No such file or directory")
# Names that only a CUDA compiler or toolkit provides: built-ins, the runtime API, and the libraries that come with it.
_CUDA_NAME = re.compile(
    r"[‘'](?:::)?((?:__|cuda|cu[A-Z]|cub\b|cute\b|cutlass\b|thrust\b|nvcuda\b|wmma\b|cooperative_groups\b|cg\b)[\w:]*)[^’']*[’']"
)
_ABSENT = ("was not declared", "has not been declared", "is not a member", "does not name a type", "no member named", "unknown type")


def explain(log: str, *, accepted_by_nvcc: bool) -> tuple[Verdict, str]:
    """BUILD_FAILED or UNSUPPORTED for the errors in `log`, with the text for the record.

    What nvcc accepted is right CUDA, so that any failure is the emulation's. Without that witness, only what is known to be
    missing counts as unsupported.
    """
    if MARK in log:
        construct = log.split(MARK, 1)[1].split("\n", 1)[0].rstrip("\"'’ ")
        return Verdict.UNSUPPORTED, f"line {_line(log)}: the emulated device does not know {construct}\n\n{log}"
    error = _ERROR.search(log)
    message = error[1] if error else (log.strip().splitlines() or ["g++ failed without a word"])[0]
    if header := _NO_HEADER.search(message):
        return Verdict.UNSUPPORTED, f"line {_line(log)}: the emulated device has no header {header[1]}\n\n{log}"
    if accepted_by_nvcc:
        return Verdict.UNSUPPORTED, f"line {_line(log)}: nvcc accepts this, the emulated device does not: {message}\n\n{log}"
    if (name := _CUDA_NAME.search(message)) and any(words in message for words in _ABSENT):
        return Verdict.UNSUPPORTED, f"line {_line(log)}: the emulated device does not know {name[1]}\n\n{log}"
    return Verdict.BUILD_FAILED, log


def _line(log: str) -> int:
    """The candidate's line of the first error; 0 where the log names none."""
    for pattern in (_INCLUDED, _AT, _REACHED) if _INCLUDED.search(log.split("error:", 1)[0]) else (_AT, _REACHED):
        if found := pattern.search(log):
            return int(found[1])
    return 0
