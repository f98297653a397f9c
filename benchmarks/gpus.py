"""One search's candidates on several GPUs of this machine: how much faster than on one, and whether the GPUs agree.

    python benchmarks/gpus.py [--worker gpus:0,1] [--task core/row_softmax] [--candidates 48] [--parallel 8] [--metrics quick] [--json FILE]

First as many distinct candidates are judged on the first GPU alone as on all, with as many under way for each; the claim: 1.8 times as
many a minute on two, 0.9 times their number on more, and the same verdicts. Then the baseline with other numbers of threads a block is
judged on each GPU; the claim: speed-ups over the baseline, each from pairs on one GPU, agree within their 99 % intervals and the minimum
effect of 1 %. Exit code 1 when a claim fails. `--devices emulated,emulated` tries the script itself.
"""

import argparse
import json
import math
import re
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path

from throughput import distinct

from kernelsearch import catalog, digest
from kernelsearch.model import Candidate, Evaluation, Origin, Task
from kernelsearch.workers.base import Work
from kernelsearch.workers.crew.dispatch import Terms
from kernelsearch.workers.crew.here import Processes
from kernelsearch.workers.crew.seat import Opening
from kernelsearch.workers.crew.site import CrewSite
from kernelsearch.workers.local import in_thread
from kernelsearch.workers.places import devices

LEAST, EFFECT = 0.9, 0.01
THREADS = re.compile(r"(threads = )\d+")


def crew(names: tuple[str, ...], options) -> CrewSite:
    labs = [Opening(name=f"{name} ({number})", device=name) for number, name in enumerate(names)]
    metrics = catalog.metric_set(options.metrics)
    return CrewSite(Processes(labs), Terms(room=options.parallel), secret="told", metrics=metrics, say=complain)


def complain(text: str) -> None:
    print(text, file=sys.stderr)


def judged(site: CrewSite, task: Task, candidates: list[Candidate]) -> tuple[list[Evaluation], float]:
    """Their evaluations, all asked for at once, and the seconds that took."""
    begun = time.perf_counter()
    futures = [in_thread(site.judge, Work(task=task, candidate=candidate)) for candidate in candidates]
    wait(futures)
    return [future.result() for future in futures], time.perf_counter() - begun


def throughput(names: tuple[str, ...], task: Task, options) -> dict:
    """On `names`, with what is made at first use made before."""
    salt = uuid.uuid4().hex[:8]
    with closing(crew(names, options)) as site:
        site.begin(task, lambda: False)
        judged(site, task, [distinct(task, salt, -1 - n) for n in range(2 * options.parallel * len(names))])
        found, seconds = judged(site, task, [distinct(task, salt, n) for n in range(options.candidates)])
    workers = [evaluation.environment.facts["worker"] for evaluation in found]
    return {
        "devices": names,
        "a_minute": 60 * len(found) / seconds,
        "verdicts": [evaluation.verdict.value for evaluation in found],
        "by": dict(Counter(workers)),
    }


def edits(task: Task) -> dict[str, Candidate]:
    """The baseline, and where its source says `threads = N` the same with other numbers: one task at several speeds."""
    sources = {"the baseline": task.baseline}
    sources |= {f"{n} threads": THREADS.sub(rf"\g<1>{n}", task.baseline) for n in (32, 128, 256, 512) if THREADS.search(task.baseline)}
    name = digest.task(task)
    return {
        words: Candidate(task=name, source=text, flags=task.flags, origin=Origin(proposer="benchmark")) for words, text in sources.items()
    }


def agreement(names: tuple[str, ...], task: Task, options) -> list[dict]:
    """What each GPU says of each edit."""
    rows: list[dict] = [{"edit": words, "says": {}} for words in edits(task)]
    for name in names:
        with closing(crew((name,), options)) as site:
            site.begin(task, lambda: False)
            for row, evaluation in zip(rows, judged(site, task, list(edits(task).values()))[0], strict=True):
                measured = evaluation.measurement
                interval = None if measured is None or measured.interval is None else (measured.interval.low, measured.interval.high)
                speedup = None if measured is None else measured.speedup
                row["says"][name] = {
                    "verdict": evaluation.verdict.value,
                    "us": evaluation.time_us,
                    "speedup": speedup,
                    "interval": interval,
                }
    return rows


def agree(row: dict) -> bool:
    """Whether the intervals of all GPUs, widened by the minimum effect, meet, and the verdicts are the same."""
    says = list(row["says"].values())
    intervals = [each["interval"] or (1.0, 1.0) for each in says]
    low, high = max(low for low, _ in intervals), min(high for _, high in intervals)
    return len({each["verdict"] for each in says}) == 1 and math.log(low / high) <= EFFECT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", default="gpus")
    parser.add_argument("--devices", help="by name, in place of --worker")
    parser.add_argument("--task", default="core/row_softmax")
    parser.add_argument("--candidates", type=int, default=48)
    parser.add_argument("--parallel", type=int, default=8, help="candidates under way for each GPU")
    parser.add_argument("--metrics", default="quick")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = tuple(options.devices.split(",")) if options.devices else devices(options.worker)
    task = catalog.task(options.task)
    one, all_of_them = throughput(names[:1], task, options), throughput(names, task, options)
    gain = all_of_them["a_minute"] / one["a_minute"]
    same = one["verdicts"] == all_of_them["verdicts"]
    print(
        f"{one['a_minute']:.1f} a minute on {names[0]}, {all_of_them['a_minute']:.1f} on {', '.join(names)}: {gain:.2f} times", flush=True
    )
    print(f"by each: {all_of_them['by']}; the same verdicts: {'yes' if same else 'NO'}")
    rows = agreement(names, task, options)
    for row in rows:
        said = "   ".join(f"{name} {told(each)}" for name, each in row["says"].items())
        print(f"{row['edit']:24} {said}   {'agree' if agree(row) else 'DIFFER'}")
    if options.json:
        options.json.write_text(json.dumps({"one": one, "all": all_of_them, "gain": gain, "edits": rows}, indent=1) + "\n")
    return 0 if same and gain >= LEAST * len(names) and all(agree(row) for row in rows) else 1


def told(each: dict) -> str:
    if each["speedup"] is None or each["interval"] is None:
        return f"{each['verdict']} {each['us'] or 0:.2f} µs"
    low, high = each["interval"]
    return f"{each['us']:.2f} µs {each['speedup']:.4f}x [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    sys.exit(main())
