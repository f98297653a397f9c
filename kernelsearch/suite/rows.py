"""The row of a search, read from its run folder: the same whether it has just ended, or ended before we were killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kernelsearch import search
from kernelsearch.model import Evaluation, Node, Outcome, Row, Totals
from kernelsearch.score.runtime import UNKNOWN, speed_of_light
from kernelsearch.store import pulse
from kernelsearch.store.journal import counted, supersedes
from kernelsearch.store.rundir import RunFolder
from kernelsearch.suite.plan import Job

_ON_DEVICE = ("verify", "measure", "confirm", "profile")  # stages during which a candidate has the device


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is known of a search and stands in no run folder: times of libraries, remarks, and whether its time was up."""

    yardsticks: tuple[tuple[str, float], ...] = ()
    remarks: tuple[str, ...] = ()
    censored: str = ""  # why it was cut off


def failed(job: Job, why: str, folder: Path) -> Row:
    """The row of a search that there could not be."""
    suite, task, seed, setting = job.key
    return Row(task=task, suite=suite, seed=seed, setting=setting, folder=str(folder), digest=job.entry.digest, failure=why)


def from_folder(path: Path, job: Job, beside: Beside | None = None) -> Row:
    """The row of the run in `path`, whose baseline was recorded. Raises `UsageError` where there is no such run."""
    home, beside = RunFolder.open(path), beside or Beside()
    nodes = home.nodes
    if not nodes or not nodes[0].passed or home.journal.best is None:
        row = failed(job, search.baseline_message(nodes[0]) if nodes else "it was never judged", path)
        place, verdicts = home.environment, dict(Counter(map(_ended_as, nodes[:1])))
        row = replace(row, device=place.device, time_kind=place.time_kind, started=home.header.started, remarks=beside.remarks)
        return replace(row, verdicts=verdicts, seconds=home.journal.totals.seconds, gpu_seconds=sum(map(_held, nodes)))
    baseline, best, end = nodes[0], home.journal.best, pulse.ended(path)
    light = [_light(node, baseline) for node in (baseline, best)]
    suite, task, seed, setting = job.key
    return Row(
        task=task,
        suite=suite,
        folder=str(path),
        seed=seed,
        setting=setting,
        device=home.environment.device,
        started=home.header.started,
        time_kind=home.environment.time_kind,
        baseline_us=baseline.time_us,
        best_us=best.time_us,
        speedup=speedup(best, baseline),
        interval=interval(best),
        light_baseline=light[0],
        light_best=light[1],
        candidates=home.journal.totals.candidates,
        passed=sum(node.attempt.outcome is Outcome.EVALUATED and node.passed for node in nodes[1:]),
        verdicts=dict(Counter(map(_ended_as, nodes[1:])).most_common()),
        curve=curve(nodes),
        yardsticks=dict(beside.yardsticks),
        seconds=home.journal.totals.seconds,
        gpu_seconds=sum(map(_held, nodes)),
        usd=home.journal.totals.usage.usd,
        steps=" > ".join(_steps(home, best)),
        ended=beside.censored or ("" if end is None else end.reason),
        censored=bool(beside.censored),
        digest=job.entry.digest,
        remarks=beside.remarks,
    )


def speedup(best: Node, baseline: Node) -> float | None:
    """Of what was shown to be the best over the baseline; 1 where that is the baseline itself."""
    ours = None if best.evaluation is None else best.evaluation.measurement
    theirs = None if baseline.evaluation is None else baseline.evaluation.measurement
    return None if ours is None or theirs is None else ours.speedup_over(theirs)


def interval(best: Node) -> tuple[float, float] | None:
    measurement = None if best.evaluation is None else best.evaluation.measurement
    found = None if measurement is None or best.number == 0 else measurement.interval
    return None if found is None else (found.low, found.high)


@dataclass(slots=True)
class Fold:
    """The best so far and what was spent, as the journal counts them, after each node in turn."""

    best: Node | None = None
    totals: Totals = Totals()

    def add(self, node: Node) -> bool:
        """Whether the node is the new best."""
        self.totals = counted(self.totals, node)
        if not node.passed or (self.best is not None and not supersedes(node, self.best)):
            return False
        self.best = node
        return True


def curve(nodes: Sequence[Node]) -> tuple[tuple[int, float], ...]:
    """(candidates so far, time) at each improvement, the baseline first."""
    fold = Fold()
    return tuple((fold.totals.candidates, node.time_us) for node in nodes if fold.add(node) and node.time_us is not None)


def _ended_as(node: Node) -> str:
    judged = node.evaluation if node.attempt.outcome is Outcome.EVALUATED else None
    return node.attempt.outcome.value if judged is None else judged.verdict.value


def _held(node: Node) -> float:
    """Seconds for which the device was given to this attempt."""
    own = node.evaluation if node.attempt.outcome in (Outcome.EVALUATED, Outcome.REPEATED) else None
    return 0.0 if own is None else sum(own.seconds.get(stage, 0.0) for stage in _ON_DEVICE)


def _light(node: Node, baseline: Node) -> float | None:
    """The share of the speed of light, in 0..1."""
    own, base = node.evaluation, baseline.evaluation
    return None if own is None or base is None else _share(own, base)


def _share(own: Evaluation, base: Evaluation) -> float | None:
    value, note = speed_of_light(own, base)
    return None if note == UNKNOWN else value


def _steps(home: RunFolder, best: Node) -> list[str]:
    way = (*reversed(home.journal.lineage(best.number)), best)
    return [node.candidate.origin.directive for node in way[1:] if node.candidate is not None]
