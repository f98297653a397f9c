"""What has arrived of an answer. A provider fills it while the server talks, so that whatever ends the talk, nothing is lost of what was
said and paid before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kernelsearch.llm import estimate
from kernelsearch.llm.base import LONGEST, Reason
from kernelsearch.llm.prices import Prices, Tokens
from kernelsearch.model import Usage

_THINK, _THOUGHT = "<think>", "</think>"


class Endless(Exception):
    """The answer grew beyond what can be used; never leaves this package."""


@dataclass(slots=True, kw_only=True)
class Heard:
    """`begun`: the server took the request, so what was read and written may be billed. `understood`: it spoke the protocol. `end` is its
    word for how the answer ended, empty until it has; `finish` what that means to us, None for a normal end."""

    parts: list[str] = field(default_factory=list)
    refusal: str = ""
    model: str = ""
    end: str = ""
    finish: Reason | None = None
    tokens: Tokens = Tokens()
    input_counted: bool = False
    output_counted: bool = False
    usd: float | None = None  # the server's own bill, where it sends one
    begun: bool = False
    understood: bool = False
    length: int = 0
    thought: int = 0  # characters of thinking that were shown; no part of the answer

    def say(self, text: str) -> None:
        """More of the answer. Raises `Endless` where it is too long to be one."""
        self.parts.append(text)
        self.length += len(text)
        if self.length > LONGEST:
            raise Endless(f"more than {LONGEST:,} characters")

    @property
    def text(self) -> str:
        """The answer so far, as text that any file can hold, without thinking that stands in front of it between tags."""
        text = _whole("".join(self.parts))
        if not text.lstrip().startswith(_THINK):
            return text
        return text.partition(_THOUGHT)[2].lstrip()

    def usage(self, prices: Prices, asked: int, seconds: float = 0.0) -> Usage:
        """What it cost. What the server did not count is estimated: `asked` tokens were sent."""
        tokens, guessed = self.tokens, 0
        if not self.input_counted:
            tokens, guessed = replace(tokens, input=asked, cached=0, written=0), asked
        if not self.output_counted:
            output = estimate.of_length(self.length + self.thought + len(self.refusal))
            tokens, guessed = replace(tokens, output=output), guessed + output
        return Usage(
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            usd=prices.usd(tokens) if self.usd is None else self.usd,
            calls=1,
            seconds=seconds,
            estimated_tokens=guessed,
        )


def _whole(text: str) -> str:
    """`text` with surrogate pairs joined that a stream had cut in two; a lone half, which no file can hold, is replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
