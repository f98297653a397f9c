"""What the controller itself costs: milliseconds a node with a worker that answers at once, by size of the tree.

    python benchmarks/controller.py [--strategy mcts] [--nodes 10000] [--json FILE]

Covers ask, context, scoring, recording on disk and tell. The claim: under 5 ms a node at 10,000 nodes, and no growth with the tree.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from fakes import FakeWorker

from kernelsearch import catalog
from kernelsearch.model import Budget
from kernelsearch.search import NodeDone, Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import STRATEGIES, open_strategy


def measure(strategy: str, nodes: int, folder: Path) -> list[tuple[int, float]]:
    """(nodes so far, mean ms a node since the last mark) at each power of ten and its half."""
    marks = sorted({m for p in range(2, 7) for m in (10**p // 2, 10**p) if m <= nodes} | {nodes})
    rows: list[tuple[int, float]] = []
    state = {"mark": 0, "since": time.perf_counter()}

    def watch(event) -> None:
        if isinstance(event, NodeDone) and event.node.number in marks:
            now = time.perf_counter()
            rows.append((event.node.number, (now - state["since"]) / (event.node.number - state["mark"]) * 1e3))
            state.update(mark=event.node.number, since=now)

    journal = Journal(folder / "journal.jsonl", Blobs(folder / "blobs"))
    run = Run(
        budget=Budget(candidates=nodes),
        parallel=4,
        rewards=catalog.reward_profile("default"),
        watch=watch,
        stop=threading.Event(),
    )
    search(run, open_strategy(strategy, seed=0, options={}), FakeWorker(), journal)
    journal.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategy", choices=[*STRATEGIES, "all"], default="all")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in STRATEGIES if options.strategy == "all" else [options.strategy]:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measure(name, options.nodes, Path(folder))
        for nodes, milliseconds in results[name]:
            print(f"{name:10}  up to {nodes:7,} nodes   {milliseconds:6.2f} ms a node")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
