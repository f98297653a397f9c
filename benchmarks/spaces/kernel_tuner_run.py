"""Kernel Tuner's own strategies on recorded spaces, in its simulation mode: a process of its own, as its package is optional.

    python kernel_tuner_run.py SPACES_FOLDER LONGEST SEEDS STRATEGY…      (started by ../strategies.py --kernel-tuner)

Prints one JSON line a search: {"space", "strategy", "seed", "shares"}: the share of the best known time after each evaluation. Its
restrictions are the conditions of the space's T1 file beside this one; without one, that a configuration be in the cache.
"""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import math
import random
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from kernel_tuner import tune_kernel

ENDING = ".cache.json.xz"


def restrictions(cache: dict) -> list | object:
    """The conditions in their own words, which lets Kernel Tuner build the space quickly."""
    file = Path(__file__).with_name(f"{cache['kernel_name']}.t1.json")
    if file.exists():
        return [entry["Expression"] for entry in json.loads(file.read_text())["ConfigurationSpace"]["Conditions"]]
    names = cache["tune_params_keys"]
    admitted = {tuple(entry[name] for name in names) for entry in cache["cache"].values()}

    def in_cache(point):
        return tuple(point[name] for name in names) in admitted

    return in_cache


def tuned(cache: dict, file: Path, strategy: str, longest: int) -> list[float]:
    """The times in ms of the configurations that the strategy evaluated, in order; infinite for failures."""
    names = cache["tune_params_keys"]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results, _ = tune_kernel(
            cache["kernel_name"],
            "__global__ void nothing() {}",
            cache["problem_size"],
            [],
            dict(cache["tune_params"]),
            block_size_names=[names[0]],
            restrictions=restrictions(cache),
            strategy=strategy,
            strategy_options={"max_fevals": longest},
            cache=str(file),
            simulation_mode=True,
            quiet=True,
        )
    return [math.inf if "__error__" in result else result["time"] for result in results]


def shares(times: list[float], best: float) -> list[float]:
    """The share of the best known time after each evaluation."""
    reached = math.inf
    return [best / (reached := min(reached, time)) for time in times]


def main() -> None:
    folder, longest, seeds, strategies = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    for packed in sorted(folder.glob(f"*{ENDING}")):
        name = packed.name.removesuffix(ENDING)
        text = lzma.decompress(packed.read_bytes()).decode()
        cache = json.loads(text)
        best = min(entry["time"] for entry in cache["cache"].values() if not isinstance(entry["time"], str))
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "cache.json"
            file.write_text(text)
            for strategy in strategies:
                for seed in range(seeds):
                    random.seed(f"{strategy} {seed}")
                    np.random.seed(seed)
                    found = shares(tuned(cache, file, strategy, longest), best)
                    print(json.dumps({"space": name, "strategy": strategy, "seed": seed, "shares": found[:longest]}), flush=True)


if __name__ == "__main__":
    main()
