"""Whole file: the last fenced block of the reply is the new source."""

from __future__ import annotations

import re

from kernelsearch.errors import ReplyUnusable
from kernelsearch.propose.edits.base import Edited, finish

INSTRUCTIONS = """\
Answer with the complete new source in one fenced block:

```cuda
the whole file, nothing left out
```
"""

_LANGUAGES = ("cuda", "cu", "cpp", "c++", "c", "python", "py", "")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n`]*$", re.MULTILINE)


def read(reply: str, source: str) -> Edited:
    """Take the last fenced block as the source. Raises `ReplyUnusable` when there is none, it is cut off, or it is empty."""
    text = reply.replace("\r\n", "\n")
    blocks: list[tuple[int, int, str]] = []
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence[1].startswith(opened[1]) and not fence[2]:
            if opened[2].lower() in _LANGUAGES:
                blocks.append((opened.start(), fence.end(), text[opened.end() + 1 : fence.start()]))
            opened = None
    if opened is not None and opened[2].lower() in _LANGUAGES:
        raise ReplyUnusable("The last fenced block is not closed, so the source is cut off. Answer with the whole file.")
    if not blocks:
        raise ReplyUnusable("The reply holds no fenced ```cuda block with the whole source.")
    start, end, content = blocks[-1]
    if not content.strip():
        raise ReplyUnusable("The fenced block is empty. Answer with the whole file.")
    return finish(content, source, text[:start] + text[end:])
