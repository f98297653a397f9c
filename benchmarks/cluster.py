"""What one search costs its controller with hundreds of seats: the real search, journal and dispatch, and a cluster in virtual time.

    python benchmarks/cluster.py [--seats 256] [--evaluations 100000] [--strategy mcts] [--json FILE]

Everything on the controller is what `optimize --worker ray` runs: strategy, contexts, workers in threads, letters, foreman and dispatcher,
rewards and the journal on disk. Only the seats are simulated (tests/support/simulated.py): an evaluation takes as long as one on an H100
with its profile, 5 % of the seats are lost for good mid-way, others are preempted, crash, take fifty times as long, or answer twice.
The claim: every candidate is answered once, and the controller needs less than one core, which is CPU seconds below simulated seconds.
Exit code 1 when it fails.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from crews import served
from nodes import ENVIRONMENT, passing
from simulated import SimulatedCrew, Weather

from kernelsearch import catalog, digest
from kernelsearch.model import Budget, Origin, Outcome
from kernelsearch.propose.base import Draft
from kernelsearch.search import NodeDone, Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import STRATEGIES, open_strategy
from kernelsearch.workers.crew.dispatch import Terms
from kernelsearch.workers.crew.site import CrewSite
from kernelsearch.workers.local import LocalWorker
from kernelsearch.workers.spool.letters import Answer, Wanted, pack, unpack

TASK = catalog.task("core/row_softmax")
LOST = 0.05
WEATHER = Weather(median_s=60 / 22.2, preempted=0.002, crashed=0.0005, slow=0.001, twice=0.005, tick_s=0.1)


class Edits:
    """The baseline with a line that no other edit has."""

    name = "edits"

    def propose(self, proposal, context, task, hardware) -> Draft:
        return Draft(source=f"// {proposal.ticket}\n{task.baseline}", flags=(), origin=Origin(proposer=self.name, directive="edit"))


class Stopwatch:
    """CPU seconds of the calling thread, by what it does."""

    def __init__(self) -> None:
        self.spent: Counter = Counter()

    def on(self, name: str, call):
        def timed(*given, **named):
            since = time.thread_time()
            try:
                return call(*given, **named)
            finally:
                self.spent[name] += time.thread_time() - since

        return timed


def judge(data: bytes) -> bytes:
    """A packed answer: a time around the baseline's, from the source."""
    candidate = unpack(Wanted, data).candidate
    time_us = 100.0 * random.Random(candidate.source).lognormvariate(0.0, 0.1)
    evaluation = replace(passing(time_us, digest.candidate(candidate)), environment=ENVIRONMENT)
    return pack(Answer(request="", worker="simulated", evaluation=evaluation, hardware=served().hardware))


class Cluster(SimulatedCrew):
    """Its clock stands still until the controller has as much under way as it will."""

    def __init__(self, options, weather) -> None:
        super().__init__(options.seats, judge, served(), weather, seed=options.seed, settled=self._full)
        self.parallel, self.evaluations = options.seats, options.evaluations
        self.foreman = None
        self.thread_cpu_s = 0.0  # of the foreman's thread, the simulation's own included

    def wait(self, timeout_s):
        self.thread_cpu_s = time.thread_time()
        return super().wait(timeout_s)

    def _full(self) -> bool:
        """Before the baseline is answered, which comes first, there is nothing else to ask."""
        if self.foreman is None:
            return True
        dispatcher = self.foreman.dispatcher
        answered = dispatcher.count.answered
        wanted = min(self.parallel, self.evaluations + 1 - answered) if answered else 1
        return dispatcher.under_way >= wanted


def simulate(options) -> dict:
    dice = random.Random(options.seed)
    expected_s = options.evaluations * WEATHER.median_s / options.seats
    fallen = dice.sample(range(options.seats), max(1, round(LOST * options.seats)))
    weather = replace(WEATHER, gone=tuple((seat, expected_s * dice.uniform(0.2, 0.8)) for seat in fallen))
    crew, watch, said = Cluster(options, weather), Stopwatch(), []
    strategy = open_strategy(options.strategy, seed=options.seed, options={})
    strategy.ask, strategy.tell = watch.on("ask", strategy.ask), watch.on("tell", strategy.tell)
    site = CrewSite(crew, Terms(patience_s=60.0), secret="s", metrics=None, say=said.append)
    site.judge = watch.on("letters", site.judge)
    crew.foreman = site.foreman
    with tempfile.TemporaryDirectory() as folder, closing(site):
        site.begin(TASK, lambda: False)
        journal = Journal(Path(folder) / "journal.jsonl", Blobs(Path(folder) / "blobs"))
        journal.append, journal.context = watch.on("journal", journal.append), watch.on("context", journal.context)
        worker = LocalWorker(task=TASK, site=site, proposer=Edits())
        worker._judged.put = watch.on("structure", worker._judged.put)
        started, since, begun = time.perf_counter(), time.process_time(), crew.now()
        own, dispatching = crew.own_cpu_s, crew.thread_cpu_s
        run = Run(
            budget=Budget(candidates=options.evaluations),
            parallel=site.places,
            rewards=catalog.reward_profile("default"),
            watch=progress(options.evaluations),
            stop=threading.Event(),
        )
        ended = search(run, strategy, worker, journal)
        cpu = time.process_time() - since - (crew.own_cpu_s - own)
        watch.spent["dispatch"] = crew.thread_cpu_s - dispatching - (crew.own_cpu_s - own)
        journal.close()
        nodes = journal.nodes
    count = site.foreman.dispatcher.count
    tickets = Counter(node.attempt.proposal.ticket for node in nodes[1:])
    return {
        "ended": ended,
        "nodes": len(nodes) - 1,
        "once": len(nodes) - 1 == options.evaluations == len(tickets) and all(n.attempt.outcome is not Outcome.DUPLICATE for n in nodes),
        "simulated_s": crew.now() - begun,
        "wall_s": time.perf_counter() - started,
        "cpu_s": cpu,
        "simulation_cpu_s": crew.own_cpu_s - own,
        "parts_s": dict(watch.spent),
        "lost_for_good": len(fallen),
        "handed": count.handed,
        "answered": count.answered - 1,
        "busy": crew.worked_s / (options.seats * (crew.now() - begun)),
        "late": count.late,
        "lost": count.lost,
    }


def progress(evaluations: int):
    step = max(1, evaluations // 10)

    def watch(event) -> None:
        if isinstance(event, NodeDone) and event.node.number and event.node.number % step == 0:
            print(f"{event.node.number:,} …", file=sys.stderr, flush=True)

    return watch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seats", type=int, default=256)
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--strategy", choices=STRATEGIES, default="mcts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = simulate(options)
    number = found["nodes"]
    print(f"{number:,} evaluations on {options.seats} seats, {found['lost_for_good']} of them lost for good, {options.strategy}")
    print(f"handed out {found['handed']:,} times, seats lost {found['lost']:,} times, {found['late']:,} late answers not used")
    print(f"each answered once: {'yes' if found['once'] else 'NO'}")
    share = found["cpu_s"] / found["simulated_s"]
    print(f"simulated {found['simulated_s']:,.0f} s; controller {found['cpu_s']:,.0f} CPU s, {share:.2f} of a core")
    print(f"seats were at work for {found['busy']:.0%} of the time")
    print(f"{number / found['cpu_s']:,.0f} evaluations a CPU second, {1e3 * found['cpu_s'] / number:.2f} ms each, of which")
    for name, spent in sorted(found["parts_s"].items()):
        print(f"  {name:10} {1e3 * spent / number:6.3f} ms")
    if options.json:
        options.json.write_text(json.dumps({**vars(options), **found, "json": None}, indent=1) + "\n")
    return 0 if found["once"] and found["cpu_s"] < found["simulated_s"] else 1


if __name__ == "__main__":
    sys.exit(main())
