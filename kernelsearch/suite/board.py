"""A suite as it stands: what each search is at, and what it came to. Pure: filled by events where it runs, by files where it is watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsearch.model import Environment, Node, Outcome, Row, RunSpec, Totals, Usage
from kernelsearch.search import Event, NodeDone, Started
from kernelsearch.suite import rows
from kernelsearch.suite.plan import Job, Key

WAITING, RUNNING, DONE, FAILED, BROKEN_OFF = "waiting", "running", "done", "failed", "broken off"


@dataclass(slots=True)
class Cell:
    """One search. `place` is the device that it was given to, `last` its last attempt, `why` what is wrong."""

    job: Job
    state: str = WAITING
    place: str = ""
    environment: Environment | None = None
    spec: RunSpec | None = None
    baseline: Node | None = None
    best: Node | None = None
    last: Node | None = None
    totals: Totals = Totals()
    pending: int = 0
    row: Row | None = None
    why: str = ""

    @property
    def baseline_us(self) -> float | None:
        return self.row.baseline_us if self.row is not None else None if self.baseline is None else self.baseline.time_us

    @property
    def best_us(self) -> float | None:
        return self.row.best_us if self.row is not None else None if self.best is None else self.best.time_us

    @property
    def speedup(self) -> float | None:
        if self.row is not None:
            return self.row.speedup
        return None if self.best is None or self.baseline is None else rows.speedup(self.best, self.baseline)

    @property
    def interval(self) -> tuple[float, float] | None:
        return self.row.interval if self.row is not None else None if self.best is None else rows.interval(self.best)

    @property
    def candidates(self) -> int:
        return self.row.candidates if self.row is not None else self.totals.candidates

    @property
    def usd(self) -> float:
        return self.row.usd if self.row is not None else self.totals.usage.usd

    @property
    def device(self) -> str:
        known = self.row.device if self.row is not None else "" if self.environment is None else self.environment.device
        return known or self.place

    @property
    def time_kind(self) -> str:
        return self.row.time_kind if self.row is not None else "" if self.environment is None else self.environment.time_kind

    def started(self, environment: Environment, spec: RunSpec, nodes: Sequence[Node]) -> None:
        self.state, self.environment, self.spec = RUNNING, environment, spec
        fold = rows.Fold()
        for node in nodes:
            fold.add(node)
            self.node(node, fold.best, fold.totals, 0)

    def node(self, node: Node, best: Node | None, totals: Totals, pending: int) -> None:
        if node.number == 0:
            self.baseline = node
        self.best, self.last, self.totals, self.pending = best, node, totals, pending


@dataclass(slots=True)
class Board:
    """All searches of a suite, in their order."""

    cells: dict[Key, Cell]

    @classmethod
    def of(cls, jobs: Sequence[Job], done: Sequence[Row] = ()) -> Board:
        board = cls(cells={job.key: Cell(job) for job in jobs})
        for row in done:
            board.done(row)
        return board

    def began(self, job: Job, place: str) -> None:
        cell = self.cells[job.key]
        cell.state, cell.place, cell.why = RUNNING, place, ""

    def hear(self, job: Job, event: Event) -> None:
        cell = self.cells[job.key]
        if isinstance(event, Started):
            cell.started(event.environment, event.spec, event.nodes)
        elif isinstance(event, NodeDone):
            cell.node(event.node, event.best, event.totals, event.pending)

    def done(self, row: Row) -> None:
        cell = self.cells.get(row.key)
        if cell is not None:
            cell.row, cell.state, cell.why = row, FAILED if row.failure else DONE, row.failure

    def missed(self, job: Job, why: str) -> None:
        cell = self.cells[job.key]
        cell.state, cell.why = BROKEN_OFF, why

    def count(self) -> Mapping[str, int]:
        """How many are in each state."""
        states = [cell.state for cell in self.cells.values()]
        return {state: states.count(state) for state in (DONE, FAILED, RUNNING, WAITING, BROKEN_OFF) if state in states}

    def running(self) -> list[Cell]:
        return [cell for cell in self.cells.values() if cell.state == RUNNING]

    @property
    def usd(self) -> float:
        return sum(cell.usd for cell in self.cells.values())

    @property
    def latency_s(self) -> float | None:
        """Mean of what an answer of a model takes, over what runs now; None where no model was asked."""
        usage = sum((cell.totals.usage for cell in self.running()), Usage())
        return usage.seconds / usage.calls if usage.calls else None


def at(cell: Cell) -> str:
    """What a running search is at, in a few words."""
    if cell.baseline is None:
        return "judging the baseline" if cell.environment is not None else "starting"
    limit = "" if cell.spec is None or cell.spec.budget.candidates is None else f" of {cell.spec.budget.candidates}"
    under_way = f", {cell.pending} under way" if cell.pending else ""
    return f"{cell.candidates}{limit} tried{under_way}{_last(cell.last)}"


def _last(node: Node | None) -> str:
    if node is None or node.number == 0:
        return ""
    judged = node.evaluation if node.attempt.outcome is Outcome.EVALUATED else None
    how = node.attempt.outcome.value if judged is None else judged.verdict.value
    name = "" if node.candidate is None else f" {node.candidate.origin.directive}"
    return f"; last: #{node.number}{name}, {how}"
