"""Searches in recorded spaces, as curves: the share of the best known time that was reached after each evaluation.

The share is of what the chosen kernel takes by the recording, not of what the search measured of it, so luck with noise counts for nothing.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
from pathlib import Path

from spaces.oracle import Habits, Oracle
from spaces.recorded import Recorded

from kernelsearch import catalog
from kernelsearch.model import Budget, Node, Outcome, RewardProfile
from kernelsearch.search import NodeDone, Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import open_strategy

GOAL = 0.95
_CALLS_AN_EVALUATION = 4  # attempts that a search may make in all, as a multiple of its evaluations


class _Curve:
    """Watches a search; stops it when it has spent its evaluations, or `least` of them and reached the goal."""

    def __init__(self, space: Recorded, oracle: Oracle, *, least: int, longest: int, every: bool) -> None:
        self.shares: list[float] = []
        self.attempts = 0
        self.stop = threading.Event()
        self._space, self._oracle, self._least, self._longest, self._every = space, oracle, least, longest, every

    def __call__(self, event: object) -> None:
        if not isinstance(event, NodeDone) or event.node.number == 0:
            return
        self.attempts += event.node.attempt.outcome is not Outcome.EXHAUSTED
        if _costs(event.node, every=self._every):
            self.shares.append(self._space.best_us / self._space.time_us(self._oracle.key_of(event.best)))
            reached = self.shares[-1] >= GOAL and len(self.shares) >= self._least
            if reached or len(self.shares) >= self._longest:
                self.stop.set()


def _costs(node: Node, *, every: bool) -> bool:
    """Whether an attempt is an evaluation: it was built at least; with `every`, each answer of the model is."""
    outcomes = (Outcome.EVALUATED, Outcome.REPEATED)
    return node.attempt.outcome in outcomes or (every and node.attempt.outcome is not Outcome.EXHAUSTED)


def searched(
    strategy: str,
    space: Recorded,
    seed: int,
    *,
    least: int,
    longest: int,
    every: bool = False,
    parallel: int = 1,
    habits: Habits | None = None,
    rewards: RewardProfile | None = None,
) -> tuple[list[float], int]:
    """(share after each evaluation, attempts in all) of one search by a strategy of ours."""
    oracle = Oracle(space, seed=seed, habits=habits)
    curve = _Curve(space, oracle, least=least, longest=longest, every=every)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # what a disk costs is no part of it
    with tempfile.TemporaryDirectory(prefix="strategies-", dir=memory) as folder:
        journal = Journal(Path(folder) / "journal.jsonl", Blobs(Path(folder) / "blobs"))
        run = Run(
            budget=Budget(candidates=longest * _CALLS_AN_EVALUATION),
            parallel=parallel,
            rewards=rewards or catalog.reward_profile("default"),
            watch=curve,
            stop=curve.stop,
        )
        search(run, open_strategy(strategy, seed=seed, options={}), oracle, journal)
        journal.close()
    return curve.shares[:longest], curve.attempts


def at_random(space: Recorded, seed: int, *, least: int, longest: int) -> list[float]:
    """The yardstick: points of the whole space in random order, none twice, times without noise, none that the conditions refuse.

    It begins with the space's default as every search does, which is no evaluation of its own.
    """
    keys = list(space.trials)
    random.Random(f"random {seed}").shuffle(keys)
    best = space.time_us(space.key(space.default))
    shares: list[float] = []
    for key in keys[:longest]:
        best = min(best, space.time_us(key))
        shares.append(space.best_us / best)
        if shares[-1] >= GOAL and len(shares) >= least:
            break
    return shares


def share_at(shares: list[float], evaluations: int) -> float:
    """A search that ended before keeps what it had; one without any evaluation has nothing."""
    return shares[min(evaluations, len(shares)) - 1] if shares else 0.0


def needed(shares: list[float], goal: float = GOAL) -> int | None:
    """Evaluations until the goal was reached; None: it was not."""
    return next((number for number, share in enumerate(shares, 1) if share >= goal), None)
