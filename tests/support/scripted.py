"""A model that gives what it was told to, and two answers to the example task: one that applies, one that does not."""

from collections.abc import Sequence

from kernelsearch.llm.base import Message, Reply
from kernelsearch.model import Usage

GOOD = """The threads run along rows, so loads are strided.

SUMMARY: swap the thread axes
<<<<<<< SEARCH
    int row = blockIdx.x * blockDim.x + threadIdx.x;
=======
    int row = blockIdx.y;
>>>>>>> REPLACE
"""
BAD = "SUMMARY: x\n<<<<<<< SEARCH\nnot in the source\n=======\ny\n>>>>>>> REPLACE\n"


class Scripted:
    """Gives `turns` in order: texts as replies of ten tokens in and two out, exceptions as they are."""

    name = "scripted:1"

    def __init__(self, *turns: str | Exception) -> None:
        self.turns = list(turns)
        self.heard: list[tuple[str, list[Message], int]] = []

    def complete(self, system: str, messages: Sequence[Message], *, seed: int = 0) -> Reply:
        self.heard.append((system, list(messages), seed))
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return Reply(text=turn, model="scripted-as-served", usage=Usage(input_tokens=10, output_tokens=2, usd=0.5, calls=1))
