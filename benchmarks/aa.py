"""How often a difference is found that is not there, and how often one that is: A/A and power of the paired timing.

    python benchmarks/aa.py [--device cuda] [--task core/row_softmax] [--runs 200] [--slower 0.03]
                            [--part both] [--json FILE]

A/A: the task's baseline is timed against itself, each time in a fresh process; being called faster is a mistake, and at most 1 % may
be. Power: the same kernel with a pause behind it, of `--slower` of its time, is timed against the kernel; at least 95 % must be
called slower. The pause is a second launch, one warp with a chain of dependent multiply-adds. Its length is found first by timing,
and its true cost is what a long run says of it (`--long` runs together), not what was asked for. Exit code 1 when a claim fails.
"""

import argparse
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kernelsearch import catalog, digest, measure
from kernelsearch.lab import Lab, open_lab
from kernelsearch.measure.statistics import CONFIDENCE, MIN_EFFECT, faster, slower
from kernelsearch.model import Build, Candidate, Form, Interval, Origin, Task, TimeKind

FALSE_AT_MOST, FOUND_AT_LEAST = 0.01, 0.95
PAD = """
__global__ void ks_pause(int steps) {
    float x = (float)steps;
    for (int i = 0; i < steps; ++i) x = fmaf(x, 0.999f, 1.0f);
    if (x < 0.0f) __nanosleep(1);  // never: keeps the chain alive
}
"""
FIRST_STEPS = 2000  # some 4 µs
ROUNDS = 6  # of finding the length of the pause
CLOSE = 0.1  # of what was asked for


@dataclass
class Runs:
    """Speed-ups over the rival with their intervals, one a process."""

    speedups: list[float] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)

    def count(self, rule: Callable[[Interval], bool]) -> int:
        return sum(rule(interval) for interval in self.intervals)


def built(task: Task, source: str, lab: Lab) -> Build:
    candidate = Candidate(task=digest.task(task), source=source, flags=task.flags, origin=Origin(proposer="benchmark"))
    build = lab.toolchain.build(candidate, task)
    if not build.ok:
        sys.exit(f"does not build: {build.log}")
    return build


def timed(build: Build, rival: Build, task: Task, lab: Lab, runs: int, label: str) -> Runs:
    """`build` against `rival`, `runs` times. Two trials are under way at once: while one has the GPU, the other's process starts."""
    found = Runs()
    pool = ThreadPoolExecutor(2)
    trials = [pool.submit(measure.run, build, task, lab, rival=rival) for _ in range(runs)]
    for number, trial in enumerate(trials):
        done = trial.result()
        if done.failure is not None or done.measurement is None:
            pool.shutdown(cancel_futures=True)
            sys.exit(f"{label}, run {number + 1}: {done.failure.value if done.failure else 'no times'}: {done.detail}")
        found.speedups.append(done.measurement.speedup)
        found.intervals.append(done.measurement.interval)
        if (number + 1) % 20 == 0:
            print(f"{label}: {number + 1} of {runs}", file=sys.stderr, flush=True)
    pool.shutdown()
    return found


def padded(task: Task, steps: int) -> str:
    """The baseline with a pause of `steps` multiply-adds behind it."""
    if task.form is Form.KERNELS:
        return f"{task.baseline}\n{PAD}\n// launch: ks_pause grid=(1) block=(32) args=({steps})\n"
    match = re.search(rf'extern\s+"C"\s+void\s+{task.entry}\s*\(([^)]*)\)', task.baseline)
    if match is None:
        sys.exit(f'{task.name}: its baseline has no host function of the form: extern "C" void {task.entry}(...)')
    names = ", ".join(re.findall(r"(\w+)\s*(?:\[\s*\])?\s*(?:,|$)", match[1]))
    inner = f"ks_inner_{task.entry}"
    return (
        f"#define {task.entry} {inner}\n{task.baseline}\n#undef {task.entry}\n{PAD}\n"
        f'extern "C" void {task.entry}({match[1]}) {{\n    {inner}({names});\n    ks_pause<<<1, 32>>>({steps});\n}}\n'
    )


def find_pause(cost: Callable[[int], float], wanted: float) -> int:
    """The steps whose `cost`, a slow-down such as 0.03, is `wanted`: the cost of a launch, and beyond it a straight line."""
    none = cost(0)
    if none > wanted * (1 + CLOSE):
        sys.exit(f"the second launch alone costs {none:.1%} of this kernel, more than {wanted:.1%}: take a task that takes longer")
    steps, best = FIRST_STEPS, (abs(none - wanted), 0)
    for _ in range(ROUNDS):
        found = cost(steps)
        best = min(best, (abs(found - wanted), steps))
        if best[0] <= CLOSE * wanted:
            break
        slope = (found - none) / steps
        steps = max(1, round((wanted - none) / slope)) if slope > 0 else 4 * steps
    if best[0] > 3 * CLOSE * wanted:
        sys.exit(f"no pause of {wanted:.1%} was found: the nearest is off by {best[0]:.1%}; the times are too noisy")
    return best[1]


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson, 1934), by bisection on the binomial distribution."""
    tail = (1.0 - confidence) / 2.0

    def at_least(share: float) -> float:  # grows with the share
        return math.fsum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))

    def more_than(share: float) -> float:
        return math.fsum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits + 1, trials + 1))

    low = 0.0 if hits == 0 else _root(at_least, tail)
    high = 1.0 if hits == trials else _root(more_than, 1.0 - tail)
    return low, high


def _root(growing: Callable[[float], float], value: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if growing(middle) < value else (low, middle)
    return (low + high) / 2


def mean_of(speedups: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(value) for value in speedups))


def line(name: str, runs: Runs) -> dict[str, object]:
    """Print and return what became of `runs`."""
    total = len(runs.speedups)
    counts = {"faster": runs.count(faster), "slower": runs.count(slower)}
    shares = {word: clopper_pearson(hits, total) for word, hits in counts.items()}
    width = statistics.median((i.high - i.low) / value for i, value in zip(runs.intervals, runs.speedups, strict=True))
    words = "   ".join(f"{word} {hits:4d} [{shares[word][0]:6.1%}, {shares[word][1]:6.1%}]" for word, hits in counts.items())
    spread = f"{min(runs.speedups):.4f} … {max(runs.speedups):.4f}"
    print(f"{name:12} {total:5d}   {words}   speed-up {mean_of(runs.speedups):.4f} ({spread})   interval ±{width / 2:.2%}", flush=True)
    return {
        "runs": total,
        **counts,
        "shares": shares,
        "mean": mean_of(runs.speedups),
        "speedups": runs.speedups,
        "intervals": [asdict(interval) for interval in runs.intervals],
    }


def same_kernel(task: Task, lab: Lab, runs: int) -> dict[str, object]:
    """A/A: the baseline against itself."""
    plain = built(task, task.baseline, lab)
    return line("A/A", timed(plain, plain, task, lab, runs, "A/A"))


def power(task: Task, lab: Lab, options: argparse.Namespace) -> dict[str, object]:
    """The baseline with a pause against the baseline. All figures are printed as they come."""
    plain = built(task, task.baseline, lab)

    def cost(steps: int) -> float:
        found = timed(built(task, padded(task, steps), lab), plain, task, lab, options.probe, f"pause of {steps} steps")
        return 1.0 / mean_of(found.speedups) - 1.0

    steps = find_pause(cost, options.slower)
    late = built(task, padded(task, steps), lab)
    true = 1.0 / mean_of(timed(late, plain, task, lab, options.long, "long run").speedups) - 1.0
    print(f"a pause of {steps} steps: {true:.2%} slower, over {options.long} runs", flush=True)
    found = line(f"{options.slower:.0%} slower", timed(late, plain, task, lab, options.runs, "power"))
    return {**found, "pause_steps": steps, "true_slowdown": true}


def judged(found: Mapping[str, dict], runs: int) -> list[str]:
    """What is claimed and does not hold, of the parts that were run."""
    wrong = []
    if "A/A" in found and found["A/A"]["faster"] > FALSE_AT_MOST * runs:
        wrong.append(f"the same kernel was called faster {found['A/A']['faster']} times of {runs}, more than {FALSE_AT_MOST:.0%}")
    if "power" in found and found["power"]["slower"] < FOUND_AT_LEAST * runs:
        wrong.append(f"the slower kernel was found {found['power']['slower']} times of {runs}, fewer than {FOUND_AT_LEAST:.0%}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--task", default="core/row_softmax")
    parser.add_argument("--runs", type=int, default=200, help="of A/A, and of power")
    parser.add_argument("--slower", type=float, default=0.03, help="how much slower the kernel is made for power")
    parser.add_argument("--probe", type=int, default=3, help="runs for each length of the pause that is tried")
    parser.add_argument("--long", type=int, default=20, help="runs for the true cost of the pause")
    parser.add_argument("--part", choices=("both", "aa", "power"), default="both")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if min(options.runs, options.probe, options.long) < 1 or not 0 < options.slower < 1:
        parser.error("runs must be 1 at least, and --slower between 0 and 1")
    lab = open_lab(device=options.device, metrics="none")
    try:
        if lab.device.time_kind is TimeKind.MODELLED:
            sys.exit("modelled times are always the same: A/A and power need a GPU")
        task = catalog.task(options.task)
        print(f"{options.task} on {lab.device.name}; rule: all of the {CONFIDENCE:.0%} interval beyond {MIN_EFFECT:.0%}")
        print("in brackets: 95 % intervals of the shares")
        found: dict[str, dict] = {}
        if options.part != "power":
            found["A/A"] = same_kernel(task, lab, options.runs)
        if options.part != "aa":
            found["power"] = power(task, lab, options)
        environment = asdict(lab.environment)
    finally:
        lab.close()
    if options.json:
        options.json.write_text(json.dumps({"task": options.task, "environment": environment, **found}, indent=2) + "\n")
    if wrong := judged(found, options.runs):
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
