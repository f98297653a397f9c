"""Strategies held against each other on whole recorded runs: their answers, builds and measurements again, without key or GPU.

    python benchmarks/recorded_runs.py RUN… [--strategies mcts,greedy] [--seeds 20] [--budget 50]

RUN… are folders of runs of one task with one proposer on one device. Their attempts are pooled as transitions: what was once made of
a kernel may be made of it again, by any strategy. A parent without a transition left is exhausted; nothing is made up.

What that can say: in which order a strategy would have spent the same answers, and how soon it would have had the best of them.
What it cannot: anything about kernels that no run edited. A strategy that wants these finds less here than it would have found, so a
pool favours whatever strategy recorded it; `answered` is the share of questions that the pool had an answer to, and strategies compare
only where it is high for both. Answers were given to other prompts (other siblings, other lessons), so what a strategy writes into
prompts is not judged either, nor are crossovers. Pools of several runs by several strategies are fairer than one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from kernelsearch import catalog, digest
from kernelsearch.errors import UsageError
from kernelsearch.measure.rule import ahead
from kernelsearch.model import Attempt, Budget, Confirmation, Context, Evaluation, Node, Outcome, Proposal, RewardProfile
from kernelsearch.search import NodeDone, Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.store.rundir import RunFolder
from kernelsearch.strategy import STRATEGIES, open_strategy
from kernelsearch.workers.base import Request

_KEPT = (Outcome.EVALUATED, Outcome.DUPLICATE, Outcome.UNUSABLE, Outcome.LLM_FAILED)


@dataclass(kw_only=True)
class Pool:
    """Transitions by digest of the kernel that was edited, in the order in which they were recorded; further trials by digest."""

    baseline: Attempt
    transitions: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    trials: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))

    @property
    def best_us(self) -> float:
        """The shortest time in it."""
        every = [self.baseline, *(attempt for found in self.transitions.values() for attempt in found)]
        return min(time for attempt in every if attempt.evaluation and (time := attempt.evaluation.time_us) is not None)


def pooled(runs: Sequence[Sequence[Node]]) -> Pool:
    """The transitions of some runs of one task; raises `UsageError` when they do not begin with the same kernel on the same device."""
    first = runs[0][0]
    found = Pool(baseline=first.attempt)
    for nodes in runs:
        if _beginning(nodes[0]) != _beginning(first):
            raise UsageError("the runs do not begin with the same kernel on the same device, so their times cannot be pooled")
        for node in nodes[1:]:
            parent = nodes[node.parent or 0]
            if parent.candidate is None:
                continue
            name = digest.candidate(parent.candidate)
            if node.attempt.outcome is Outcome.REPEATED:
                found.trials[name].append(node.attempt)
            elif node.attempt.outcome in _KEPT and not (node.attempt.proposal and node.attempt.proposal.others):
                found.transitions[name].append(node.attempt)
    return found


def _beginning(node: Node) -> tuple[str, str, str]:
    if node.candidate is None or node.evaluation is None:
        raise UsageError("a run whose baseline was not judged cannot be replayed")
    environment = node.evaluation.environment
    return digest.candidate(node.candidate), environment.device, environment.time_kind


class PoolWorker:
    """A `workers.base.Worker` that answers from a pool. `asked` and `answered` count edits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._given: dict[str, set[int]] = defaultdict(set)  # places of transitions that were handed out, by parent
        self._judged: dict[str, Evaluation] = {}
        self._trials: dict[str, int] = defaultdict(int)
        self.asked = self.answered = 0

    def submit(self, request: Request) -> Future[Attempt]:
        future: Future[Attempt] = Future()
        if request.proposal is None or request.context is None:
            future.set_result(self._pool.baseline)
        else:
            future.set_result(self._attempt(request.proposal, request.context))
        return future

    def remember(self, node: Node) -> None:
        raise UsageError("a replay is not resumed; it takes seconds to make again")

    def close(self) -> None: ...

    def _attempt(self, proposal: Proposal, context: Context) -> Attempt:
        assert context.parent.candidate is not None
        parent = digest.candidate(context.parent.candidate)
        if proposal.repeat:
            return self._trial(proposal, parent)
        self.asked += 1
        known = self._pool.transitions.get(parent, [])
        left = [place for place in range(len(known)) if place not in self._given[parent]]
        if not left:
            return Attempt(proposal=proposal, outcome=Outcome.EXHAUSTED, detail="no run made a further edit of this kernel")
        self.answered += 1
        wished = [place for place in left if _directive(known[place]) == proposal.directive]
        place = (wished or left)[0]
        self._given[parent].add(place)
        return self._as_asked(replace(known[place], proposal=proposal), context)

    def _trial(self, proposal: Proposal, name: str) -> Attempt:
        """A further trial that was recorded; there is no other way to know how a time scatters."""
        trials = self._pool.trials.get(name, [])
        if self._trials[name] >= len(trials):
            return Attempt(proposal=proposal, outcome=Outcome.UNUSABLE, detail="no further trial of this kernel was recorded")
        self._trials[name] += 1
        return replace(trials[self._trials[name] - 1], proposal=proposal)

    def _as_asked(self, attempt: Attempt, context: Context) -> Attempt:
        """The transition in this search: a duplicate only if it is one here, and confirmed against the best of this search."""
        if attempt.candidate is None or attempt.evaluation is None:
            return attempt
        name = digest.candidate(attempt.candidate)
        if name in self._judged or (self._pool.baseline.candidate and name == digest.candidate(self._pool.baseline.candidate)):
            known = self._judged.get(name, self._pool.baseline.evaluation)
            return replace(attempt, outcome=Outcome.DUPLICATE, evaluation=known, detail="the same kernel was judged before")
        evaluation = self._judged[name] = _confirmed(attempt.evaluation, context.best)
        return replace(attempt, outcome=Outcome.EVALUATED, evaluation=evaluation, detail="")


def _directive(attempt: Attempt) -> str | None:
    return attempt.candidate.origin.directive if attempt.candidate is not None else None


def _confirmed(evaluation: Evaluation, best: Node | None) -> Evaluation:
    """The recorded second trial was against another kernel. Here two are apart if what both showed against the baseline is."""
    bare = replace(evaluation, confirmation=None)
    ours, incumbent = evaluation.measurement, None if best is None else best.evaluation
    if not evaluation.passed or ours is None or incumbent is None or incumbent.measurement is None:
        return bare
    theirs = incumbent.measurement
    if not ahead(ours, theirs):
        return bare
    held = ours.interval is None or theirs.interval is None or ours.interval.low > theirs.interval.high
    words = "by the recorded intervals against the baseline"
    return replace(bare, confirmation=Confirmation(against=incumbent.candidate, measurement=ours, held=held, detail=words))


@dataclass(frozen=True, kw_only=True)
class Played:
    """One search on a pool."""

    share: float  # of the pool's best time that was reached
    evaluations: int  # until it was
    answered: float  # share of the questions that the pool could answer


def played(pool: Pool, strategy: str, seed: int, budget: int, rewards: RewardProfile) -> Played:
    """A search by `strategy`; it ends early when the pool has nothing more for it."""
    worker = PoolWorker(pool)
    progress: list[tuple[int, float]] = []  # (evaluations, time of the best) whenever there is a new best
    counted = 0

    def watch(event: object) -> None:
        nonlocal counted
        if isinstance(event, NodeDone) and event.best.time_us is not None:
            counted += event.node.number > 0 and event.node.attempt.outcome in (Outcome.EVALUATED, Outcome.REPEATED)
            if not progress or event.best.time_us != progress[-1][1]:
                progress.append((counted, event.best.time_us))

    with tempfile.TemporaryDirectory(prefix="recorded-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        journal = Journal(Path(folder) / "journal.jsonl", Blobs(Path(folder) / "blobs"))
        run = Run(budget=Budget(candidates=budget), parallel=1, rewards=rewards, watch=watch, stop=threading.Event())
        search(run, open_strategy(strategy, seed=seed, options={}), worker, journal)
        journal.close()
    number, time_us = progress[-1]
    return Played(share=pool.best_us / time_us, evaluations=number, answered=worker.answered / max(1, worker.asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=50)
    options = parser.parse_args()
    folders = [RunFolder.open(path) for path in options.runs]
    pool = pooled([folder.journal.nodes for folder in folders])
    count = sum(map(len, pool.transitions.values()))
    print(f"{count} transitions from {len(pool.transitions)} kernels; best {pool.best_us:.2f} µs\n")
    print("| strategy | share of the pool's best | evaluations until then | answered |\n|---|---|---|---|")
    for name in options.strategies.split(","):
        found = [played(pool, name, seed, options.budget, catalog.reward_profile("default")) for seed in range(options.seeds)]
        share, evaluations, answered = (
            statistics.median(getattr(one, key) for one in found) for key in ("share", "evaluations", "answered")
        )
        print(f"| {name} | {100 * share:.1f} % | {evaluations:g} | {100 * answered:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
