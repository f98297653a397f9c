"""How a language model writes an edit down: the formats by name, each with its instructions beside its parser."""

from __future__ import annotations

from collections.abc import Callable

from kernelsearch.errors import UsageError
from kernelsearch.propose.edits import search_replace, whole_file
from kernelsearch.propose.edits.base import COMMON, Edited

_FORMATS: dict[str, Callable[[str, str], Edited]] = {"search-replace": search_replace.read, "whole-file": whole_file.read}
INSTRUCTIONS: dict[str, str] = {
    "search-replace": search_replace.INSTRUCTIONS + COMMON,
    "whole-file": whole_file.INSTRUCTIONS + COMMON,
}


def apply(format_name: str, reply_text: str, source: str) -> Edited:
    """`source` as the reply wants it. Raises `ReplyUnusable` with a reason meant for the model, `UsageError` for an unknown format."""
    if format_name not in _FORMATS:
        raise UsageError(f"unknown edit format {format_name!r}; one of {', '.join(_FORMATS)}")
    return _FORMATS[format_name](reply_text, source)


__all__ = ["INSTRUCTIONS", "Edited", "apply"]
