"""Many searches as a table: one row a task, seed and setting. Times in µs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one search, or why there was none: then `failure` is not empty.

    `suite` is the group that a task belongs to; `interval` bounds the speed-up where it was found from pairs; `light_baseline` and
    `light_best` are fractions of the speed of light, in 0..1; `verdicts` counts attempts by verdict, or by outcome where none was judged;
    `curve` holds (candidates so far, best time) at each improvement, the baseline first; `yardsticks` are times of libraries for the same,
    measured in the same session, by names such as "torch eager", "torch compile" and "cupy"; `gpu_seconds` is how long the device was held;
    `remarks` are sentences for a person, such as why there is no yardstick.
    """

    task: str
    suite: str
    folder: str
    seed: int = 0
    setting: str = ""  # what tells this row from others of the same task and seed, such as "mcts/rules"; empty where all are alike
    device: str = ""
    started: str = ""  # ISO 8601, UTC
    time_kind: str = ""
    baseline_us: float | None = None
    best_us: float | None = None
    speedup: float | None = None
    interval: tuple[float, float] | None = None
    light_baseline: float | None = None
    light_best: float | None = None
    candidates: int = 0
    passed: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    yardsticks: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    usd: float = 0.0
    steps: str = ""  # the edits from the baseline to the best
    ended: str = ""
    censored: bool = False  # cut off by the time limit of its task: what it had by then is the least that it would have come to
    failure: str = ""
    digest: str = ""  # of the task: rows of two suites are of the same task only where it is the same
    remarks: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What a row is of: suite, task, seed, setting."""
        return (self.suite, self.task, self.seed, self.setting)
