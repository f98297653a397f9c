"""How many tokens a text has, before a server counted them. Called an estimate wherever it is shown.

Each model cuts text its own way, and asking a server costs a request and a key. Three bytes a token is on the dear side for code and
English, so that a budget is rather ended too early than too late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernelsearch.llm.base import Message

BYTES_A_TOKEN = 3.0
ANSWER_TOKENS = 8_000  # of a usual answer: a kernel, and the thinking before it


def tokens(text: str) -> int:
    """Of one text."""
    return of_length(len(text.encode(errors="replace")))


def of_length(size: int) -> int:
    """Of a text of `size` bytes or characters."""
    return math.ceil(size / BYTES_A_TOKEN)


def conversation(system: str, messages: Sequence[Message]) -> int:
    """Of all that a server is sent."""
    return tokens(system) + sum(tokens(message.text) for message in messages)
