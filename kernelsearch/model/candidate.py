"""A program to be judged, and where it came from.

Identity: a candidate's digest (see `kernelsearch.digest.candidate`) covers task, source and flags, and not its origin: the same
kernel found twice is the same candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.model.arg import DType
from kernelsearch.model.expression import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and money (USD) that language-model calls took."""

    input_tokens: int = 0
    cached_tokens: int = 0  # part of input_tokens that was billed as a cache read
    output_tokens: int = 0
    usd: float = 0.0
    calls: int = 0
    seconds: float = 0.0
    estimated_tokens: int = 0  # part of input_tokens and output_tokens that no server counted

    @property
    def tokens(self) -> int:
        """All that were read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=self.usd + other.usd,
            calls=self.calls + other.calls,
            seconds=self.seconds + other.seconds,
            estimated_tokens=self.estimated_tokens + other.estimated_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a candidate came about. `prompt` and `reply` are the texts exchanged with a model, all turns; empty without one."""

    proposer: str
    directive: str = ""  # short name of the edit, as in the playbook or the rule: "swap-thread-axes"
    summary: str = ""  # one line for people: "swap threadIdx.x and threadIdx.y"
    model: str = ""
    prompt: str = ""
    reply: str = ""
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """CUDA source with the flags to build it."""

    task: str  # digest of the task
    source: str
    flags: tuple[str, ...] = ()
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A device buffer that a launch plan asks for: uninitialised, `extent` elements."""

    name: str
    dtype: DType
    extent: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One kernel launch. Dimensions and `shared` (bytes) are expressions over sizes and scalars; `args` are names of task
    arguments or scratch buffers, or expressions, in the kernel's parameter order."""

    kernel: str
    grid: tuple[Expression, Expression, Expression]
    block: tuple[Expression, Expression, Expression]
    shared: Expression = Expression("0")
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """What our own launcher does for a candidate of the `kernels` form: allocate, then launch in order on one stream."""

    launches: tuple[Launch, ...]
    scratch: tuple[Scratch, ...] = ()
