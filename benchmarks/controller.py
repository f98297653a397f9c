"""What the controller itself costs, with a worker that answers at once, by size of the tree.

    python benchmarks/controller.py [--strategy mcts] [--nodes 10000] [--json FILE]
    python benchmarks/controller.py --state [--nodes 100000]

The first covers ask, context, scoring, recording on disk and tell; the claim is under 5 ms a node at 10,000 nodes, and no growth with the
tree. `--state` covers ask and tell alone, with memory: under 1 ms each in the mean and 1 GB at 100,000 nodes. Kernels are
measured with noise, edits run out, some fail, four are under way at a time; each strategy has a process of its own.
"""

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from fakes import FakeWorker
from landscapes import Noisy

from kernelsearch import catalog
from kernelsearch.model import Budget
from kernelsearch.search import NodeDone, Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import STRATEGIES, open_strategy

PARALLEL = 4


def marks(nodes: int) -> list[int]:
    """Each power of ten and its half, and the end."""
    return sorted({m for p in range(2, 7) for m in (10**p // 2, 10**p) if m <= nodes} | {nodes})


def whole(strategy: str, nodes: int, folder: Path) -> list[tuple[int, float]]:
    """(nodes so far, mean ms a node since the last mark)."""
    rows: list[tuple[int, float]] = []
    state = {"mark": 0, "since": time.perf_counter()}
    at = set(marks(nodes))

    def watch(event) -> None:
        if isinstance(event, NodeDone) and event.node.number in at:
            now = time.perf_counter()
            rows.append((event.node.number, (now - state["since"]) / (event.node.number - state["mark"]) * 1e3))
            state.update(mark=event.node.number, since=now)

    journal = Journal(folder / "journal.jsonl", Blobs(folder / "blobs"))
    run = Run(
        budget=Budget(candidates=nodes),
        parallel=PARALLEL,
        rewards=catalog.reward_profile("default"),
        watch=watch,
        stop=threading.Event(),
    )
    search(run, open_strategy(strategy, seed=0, options={}), FakeWorker(), journal)
    journal.close()
    return rows


class Forgetful(Noisy):
    """Keeps of its nodes only how many there were, so that memory is the strategy's."""

    def __init__(self) -> None:
        super().__init__(edits=40)
        self.first, self.nodes = self.nodes[0], Count()


class Count:
    def __init__(self) -> None:
        self.number = 1

    def __len__(self) -> int:
        return self.number

    def append(self, node) -> None:
        self.number += 1


def state(strategy: str, nodes: int) -> dict:
    """Mean ms of ask and of tell between marks, the worst of each, and MB that the process grew by."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    searching, landscape, pending, rows = open_strategy(strategy, seed=0, options={}), Forgetful(), [], []
    searching.tell(landscape.first)
    spent, worst, at, since = {"ask": 0.0, "tell": 0.0}, {"ask": 0.0, "tell": 0.0}, set(marks(nodes)), 1

    def timed(name: str, call, *given):
        start = time.perf_counter()
        result = call(*given)
        taken = time.perf_counter() - start
        spent[name] += taken
        worst[name] = max(worst[name], taken)
        return result

    while len(landscape.nodes) <= nodes:
        while len(pending) < PARALLEL and (proposal := timed("ask", searching.ask)) is not None:
            pending.append(proposal)
        if not pending:
            break
        node = landscape.answer(pending.pop(0))
        timed("tell", searching.tell, node)
        if node.number in at:
            count = node.number + 1 - since
            rows.append((node.number, 1e3 * spent["ask"] / count, 1e3 * spent["tell"] / count))
            since, spent["ask"], spent["tell"] = node.number + 1, 0.0, 0.0
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"rows": rows, "worst_ms": {name: 1e3 * value for name, value in worst.items()}, "mb": grown, "nodes": len(landscape.nodes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategy", choices=[*STRATEGIES, "all"], default="all")
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--state", action="store_true", help="ask and tell alone, with memory")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for name in STRATEGIES if options.strategy == "all" else [options.strategy]:
        if options.state:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                results[name] = found = pool.submit(state, name, options.nodes or 100_000).result()
            worst = f"worst {found['worst_ms']['ask']:.1f} and {found['worst_ms']['tell']:.1f} ms"
            for nodes, ask, tell in found["rows"]:
                print(f"{name:10}  up to {nodes:7,} nodes   ask {ask:6.3f} ms   tell {tell:6.3f} ms")
            print(f"{name:10}  {found['nodes']:,} nodes in all, {found['mb']:.0f} MB, {worst}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            results[name] = whole(name, options.nodes or 10_000, Path(folder))
        for nodes, milliseconds in results[name]:
            print(f"{name:10}  up to {nodes:7,} nodes   {milliseconds:6.2f} ms a node")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
