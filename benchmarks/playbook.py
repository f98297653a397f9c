"""Does the bandit over directives help the rules, or harm them? Searches with and without it, emulated, with the same budget and seeds.

    python benchmarks/playbook.py [--tasks matmul,reduction] [--budget 24] [--seeds 3] [--strategy mcts] [--json FILE]

A kernel is evaluated once, whoever proposes it: modelled times do not vary, so the runs differ in the order of attempts alone. Printed
is the best speed-up over the baseline after so many attempts, the median over seeds, and the attempts until 95 % of the best known.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kernelsearch import catalog, digest
from kernelsearch.evaluate import Incumbent
from kernelsearch.lab import Lab, open_lab
from kernelsearch.measure.rule import holds
from kernelsearch.model import Budget, Candidate, Confirmation, Evaluation, Task
from kernelsearch.propose import open_proposer
from kernelsearch.propose.book import CHOOSERS, open_chooser
from kernelsearch.search import Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import open_strategy
from kernelsearch.workers import attempt as module
from kernelsearch.workers.local import LocalWorker

MARKS = (1, 2, 4, 8, 12, 16, 24, 40)
_evaluate, _known = module.evaluate, dict[str, Evaluation]()


def evaluate_once(candidate: Candidate, task: Task, lab: Lab, incumbent: Incumbent | None = None) -> Evaluation:
    """The evaluation of a kernel, from memory where it was made before; a second trial of a modelled time would be the same time."""
    name = digest.candidate(candidate)
    if name not in _known:
        _known[name] = _evaluate(candidate, task, lab)
    known = _known[name]
    if incumbent is None or known.measurement is None or not known.passed:
        return known
    held, words = holds(known.measurement, known.measurement, incumbent.measurement)
    against = digest.candidate(incumbent.candidate)
    trial = Confirmation(against=against, measurement=known.measurement, held=held, detail=words)
    return replace(known, confirmation=trial) if held else known


def best_so_far(task: Task, lab: Lab, playbook: str, seed: int, options: argparse.Namespace) -> list[float]:
    """The best speed-up over the baseline after each attempt of one run."""
    run = Run(
        budget=Budget(candidates=options.budget),
        parallel=1,
        rewards=catalog.reward_profile("default"),
        watch=lambda event: None,
        stop=threading.Event(),
        chooser=open_chooser(playbook, proposer="rules", task=task, hardware=lab.hardware),
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl", Blobs(Path(folder) / "blobs"))
        with closing(LocalWorker(task=task, lab=lab, proposer=open_proposer("rules", options={}))) as worker:
            search(run, open_strategy(options.strategy, seed=seed, options={}), worker, journal)
        journal.close()
    first = journal.nodes[0].time_us or 1.0
    best, found = first, []
    for node in journal.nodes[1:]:
        best = min(best, node.time_us or best)
        found.append(first / best)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="row_softmax,matmul,reduction,stencil_2d")
    parser.add_argument("--budget", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strategy", default="mcts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    module.evaluate = evaluate_once
    results: dict[str, dict[str, list[list[float]]]] = {}
    for name in options.tasks.split(","):
        task = catalog.task(f"core/{name}")
        with closing(open_lab(device="emulated", secret="benchmark")) as lab:
            runs = {each: [best_so_far(task, lab, each, seed, options) for seed in range(options.seeds)] for each in CHOOSERS}
        results[name] = runs
        goal = 0.95 * max(run[-1] for each in runs.values() for run in each)
        for each, made in runs.items():
            marks = [mark for mark in MARKS if mark <= options.budget]
            figures = "  ".join(f"{mark}: {statistics.median(run[min(mark, len(run)) - 1] for run in made):.2f}x" for mark in marks)
            needed = statistics.median(next((i for i, x in enumerate(run, 1) if x >= goal), options.budget + 1) for run in made)
            print(f"{name:14} {each:7} {figures}  95 % after {needed:g}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
