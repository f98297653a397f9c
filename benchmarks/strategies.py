"""Strategies held against each other on recorded tuning spaces, without a GPU or a model.

    python benchmarks/strategies.py [--spaces DIR] [--seeds 50] [--strategies mcts,priority] [--longest 150] [--kernel-tuner] [--json FILE]

Every strategy searches every space through `kernelsearch.search.search`, once a seed, with an oracle that edits as a model does and
answers what was recorded (`spaces/oracle.py`). Yardsticks: points of the whole space in random order, and with --kernel-tuner the
strategies of Kernel Tuner (`pip install kernelsearch[bench]`) in its simulation mode on the same recordings. Both begin anywhere
in a space, while a search begins at its default. Shown are medians over seeds with 95 % bootstrap intervals; searches that did not reach
95 % of the best known time count as having taken longer than all others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from spaces import recorded
from spaces.oracle import Habits
from spaces.play import at_random, searched
from spaces.tables import AT, Row, claim, rows, table

from kernelsearch.strategy import STRATEGIES

ROOT = Path(__file__).resolve().parents[1]
KERNEL_TUNER = (
    "random_sample",
    "genetic_algorithm",
    "greedy_ils",
    "simulated_annealing",
    "pso",
    "diff_evo",
    "dual_annealing",
    "hybrid_vndx",
    "adaptive_tabu_greywolf",
)
CLAIMED = ("mcts", "priority")


def curves_of(job: tuple[str, str, str, argparse.Namespace]) -> tuple[list[list[float]], float]:
    """(a curve a seed, milliseconds a search) of one strategy in one space; `job`: folder, space, strategy, options."""
    folder, name, strategy, options = job
    space = recorded.load(Path(folder), name)[name]
    began = time.perf_counter()
    if strategy == "random":
        found = [at_random(space, seed, least=AT[-1], longest=len(space.trials)) for seed in range(options.seeds)]
    else:
        habits = Habits(two=options.two, jump=options.jump, careless=options.careless, unusable=options.unusable)
        settings = {"least": AT[-1], "longest": options.longest, "every": options.count == "answers", "parallel": options.parallel}
        found = [searched(strategy, space, seed, habits=habits, **settings)[0] for seed in range(options.seeds)]
    return found, (time.perf_counter() - began) * 1e3 / options.seeds


def kernel_tuner(options: argparse.Namespace) -> dict[str, dict[str, list[list[float]]]]:
    """Space -> strategy -> curves."""
    script = Path(__file__).with_name("spaces") / "kernel_tuner_run.py"
    command = [options.kernel_tuner_python, str(script), str(options.spaces), str(options.longest), str(options.seeds), *KERNEL_TUNER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        sys.exit(f"Kernel Tuner does not run: {last[0]}. Install it: pip install 'kernelsearch[bench]'")
    found: dict[str, dict[str, list[list[float]]]] = {}
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        found.setdefault(entry["space"], {}).setdefault(f"KT {entry['strategy']}", []).append(entry["shares"])
    return found


def compared(options: argparse.Namespace) -> dict[str, list[Row]]:
    """Rows by space."""
    names = options.only.split(",") if options.only else recorded.names(options.spaces)
    strategies = [*options.strategies.split(","), "random"]
    jobs = [(str(options.spaces), name, strategy, options) for name in names for strategy in strategies]
    curves: dict[str, dict[str, list[list[float]]]] = {name: {} for name in names}
    with ProcessPoolExecutor(max_workers=options.jobs) as pool:
        for (_, name, strategy, _), (found, ms) in zip(jobs, pool.map(curves_of, jobs), strict=True):
            curves[name][strategy] = found
            print(f"{name:>14}  {strategy:<12} {ms:8.1f} ms a search", file=sys.stderr, flush=True)
    theirs = kernel_tuner(options) if options.kernel_tuner else {}
    return {name: rows({**curves[name], **theirs.get(name, {})}) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spaces", type=Path, default=ROOT / "tests" / "data" / "spaces", help="folder of recordings")
    parser.add_argument("--only", help="names of spaces with commas; default: all in the folder")
    parser.add_argument("--strategies", default=",".join(STRATEGIES), help="names with commas")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--longest", type=int, default=150, help="evaluations after which a search that did not reach 95 %% ends")
    parser.add_argument(
        "--count", choices=("evaluations", "answers"), default="evaluations", help="answers: duplicates and unusable ones too"
    )
    parser.add_argument("--parallel", type=int, default=1, help="attempts under way in a search")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--kernel-tuner", action="store_true", help="its strategies as well")
    parser.add_argument("--kernel-tuner-python", default=sys.executable, help="an interpreter that has kernel_tuner")
    parser.add_argument("--json", type=Path)
    usual = Habits()
    for habit in ("two", "jump", "careless", "unusable"):
        parser.add_argument(f"--{habit}", type=float, default=getattr(usual, habit), help=f"a habit of the oracle; {getattr(usual, habit)}")
    options = parser.parse_args()
    if unknown := sorted(set(options.strategies.split(",")) - STRATEGIES.keys()):
        parser.error(f"no strategy is called {unknown[0]!r}; there are {', '.join(STRATEGIES)}")
    by_space = compared(options)
    for name, found in by_space.items():
        print(table(name, found, options.longest))
    for strategy in CLAIMED:
        print(claim(strategy, by_space))
    if options.json:
        habits = {habit: getattr(options, habit) for habit in ("two", "jump", "careless", "unusable")}
        told = {"seeds": options.seeds, "longest": options.longest, "count": options.count, "habits": habits}
        told["spaces"] = {name: [row.as_json() for row in found] for name, found in by_space.items()}
        options.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
