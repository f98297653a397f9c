"""Where attempts are carried out, and where their candidates are judged: by a lab of this process, or elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kernelsearch.evaluate import Incumbent, Known, none_known
from kernelsearch.model import Attempt, Candidate, Context, Environment, Evaluation, Hardware, Node, Proposal, Task
from kernelsearch.store.reports import Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attempt to make, self-contained. Without `proposal` it is the baseline as it stands."""

    proposal: Proposal | None = None
    context: Context | None = None
    candidate: Candidate | None = None  # there already, so nothing is proposed


class Worker(Protocol):
    """A function from request to attempt, run somewhere. The attempt's failures are data; a raised exception is ours."""

    def submit(self, request: Request) -> Future[Attempt]: ...

    def remember(self, node: Node) -> None:
        """Take over a node of an earlier session, so that its candidate is not evaluated again."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One candidate to judge, and what it has to beat; with the number of a `trial`, one that passed to try again."""

    task: Task
    candidate: Candidate
    incumbent: Incumbent | None = None
    trial: int | None = None


class Site(Protocol):
    """Where candidates are judged. Thread-safe. `hardware` and `environment` are known once `begin` has returned."""

    @property
    def hardware(self) -> Hardware: ...

    @property
    def environment(self) -> Environment: ...

    @property
    def places(self) -> int:
        """How many judge side by side; each is kept busy by as many attempts as the run makes at a time."""
        ...

    @property
    def scratch(self) -> Path:
        """A private folder on this machine."""
        ...

    @property
    def reports(self) -> Reports | None:
        """Where the profiler's reports of what was judged are, until they are taken over; None where there are none."""
        ...

    def begin(self, task: Task, idle: Callable[[], bool]) -> None:
        """Be ready to judge candidates for `task`. `idle` is called while that takes time; it returns whether to give up."""
        ...

    def judge(self, work: Work, known: Known = none_known) -> Evaluation:
        """The evaluation, however long it takes: that of `kernelsearch.evaluate`, which says what is `known` and what is raised."""
        ...

    def close(self) -> None: ...
