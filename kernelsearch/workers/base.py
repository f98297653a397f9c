"""Where attempts are carried out: in threads of this process, or elsewhere."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from kernelsearch.model import Attempt, Context, Node, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attempt to make, self-contained. Without `proposal` it is the baseline as it stands."""

    proposal: Proposal | None = None
    context: Context | None = None


class Worker(Protocol):
    """A function from request to attempt, run somewhere. The attempt's failures are data; a raised exception is ours."""

    def submit(self, request: Request) -> Future[Attempt]: ...

    def remember(self, node: Node) -> None:
        """Take over a node of an earlier session, so that its candidate is not evaluated again."""
        ...

    def close(self) -> None: ...
