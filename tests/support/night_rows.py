"""Rows of a suite as a long night brings them: gains of every size, failures, tasks that a library does better, seeds and settings."""

import random
from pathlib import Path

from kernelsearch.model.suite import Row

GROUPS = {
    "algebra": (
        "matmul_square",
        "matmul_tall",
        "batched_matmul",
        "transpose",
        "reduction",
        "dot",
        "gemv",
        "cholesky_block",
        "outer",
        "syrk",
    ),
    "llm": ("row_softmax", "layer_norm", "rms_norm", "rope", "gelu", "attention", "kv_append", "swiglu", "cross_entropy", "embedding"),
    "sparse": ("spmv_csr", "spmm", "sddmm", "scatter_add", "gather", "coo_to_csr"),
    "science": ("stencil_2d", "stencil_3d", "nbody", "fft_radix4", "histogram", "prefix_sum", "black_scholes", "monte_carlo"),
}
EDITS = ("block-per-row", "vector-loads-4", "register-tiles", "shared-tile-32", "unroll-4", "warp-per-row", "launch-bounds-2")


def row(dice: random.Random, folder: Path, group: str, task: str, seed: int, setting: str) -> Row:
    start = dice.uniform(20, 2000)
    base = {"task": task, "suite": group, "folder": str(folder / f"{group}-{task}-{seed}"), "seed": seed, "setting": setting}
    told = {"device": "NVIDIA H100 80GB HBM3", "started": "2026-11-24T20:15:00+00:00", "time_kind": "measured"}
    if dice.random() < 0.09:
        return Row(**base, **told, failure="the task's own kernel failed: y[3, 17] is 0.5 where 0.25 was expected")
    gains = sorted(dice.uniform(1.0, dice.choice((1.3, 3.0, 18.0))) for _ in range(dice.randint(0, 5)))
    places = sorted(dice.sample(range(1, 25), len(gains)))
    best = start / (gains[-1] if gains else 1.0)
    light = dice.uniform(0.05, 0.4)
    speedup = start / best
    return Row(
        **base,
        **told,
        baseline_us=start,
        best_us=best,
        speedup=speedup,
        interval=(speedup * 0.995, speedup * 1.004) if gains else None,
        light_baseline=light,
        light_best=min(0.97, light * speedup**0.6),
        candidates=24,
        passed=dice.randint(8, 22),
        verdicts={"passed": 14, "wrong": 4, "build failed": 4, "exhausted": 2},
        curve=((0, start), *((place, start / value) for place, value in zip(places, gains, strict=True))),
        yardsticks={"torch": best * dice.uniform(0.5, 2.2), "cuBLAS": best * dice.uniform(0.4, 1.5)} if group == "algebra" else {},
        seconds=dice.uniform(60, 700),
        gpu_seconds=dice.uniform(20, 200),
        usd=dice.uniform(0.1, 0.9),
        steps=" > ".join(dice.sample(EDITS, min(3, len(gains)))),
        ended="budget reached: 24 candidates",
    )


def rows(folder: Path, *, seeds: int = 1, settings: tuple[str, ...] = ("",)) -> tuple[Row, ...]:
    dice = random.Random(4)
    return tuple(
        row(dice, folder, group, task, seed, setting)
        for setting in settings
        for group, tasks in GROUPS.items()
        for task in tasks
        for seed in range(seeds)
    )
