"""What is shown of a run while it goes on, and what it came to: values, from the run's own thread to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kernelsearch.model import Environment, Node, RunSpec, Task, Totals
from kernelsearch.propose.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The run begins, or goes on with `nodes` recorded earlier."""

    task: Task
    environment: Environment
    spec: RunSpec
    folder: Path
    nodes: tuple[Node, ...] = ()
    forecast: Forecast | None = None  # of one attempt's prompt and price; None where no model is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDone:
    """An attempt was recorded. Node 0 is the baseline."""

    node: Node
    best: Node
    totals: Totals
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something a person should know; the run goes on."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that the run's owner did was taken in."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why the run is over."""

    reason: str


Event = Started | NodeDone | Warned | Noted | Ended
Watch = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to. `best` is the baseline itself when nothing beat it."""

    folder: Path
    baseline: Node
    best: Node
    totals: Totals
    ended: str

    @property
    def speedup(self) -> float:
        """Baseline time over best time; 1 when nothing was better."""
        ours = None if self.best.evaluation is None else self.best.evaluation.measurement
        theirs = None if self.baseline.evaluation is None else self.baseline.evaluation.measurement
        return 1.0 if ours is None or theirs is None else ours.speedup_over(theirs)
