"""Candidates a minute on one GPU, from source to verdict: guard, build, verify, time; without and with a profile.

    python benchmarks/throughput.py [--device cuda] [--task core/row_softmax] [--candidates 40] [--parallel 8] [--load-inline] [--json FILE]

Every candidate is the task's baseline with another constant in it, so that neither the build cache nor an earlier answer helps. The
claim: at least 60 a minute without and 20 with a profile. `--load-inline` also times one build by torch's `load_inline`, which is what
most harnesses do for each candidate.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernelsearch import catalog, digest
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import open_lab
from kernelsearch.model import Candidate, Origin, Task

LOAD_INLINE = """
import sys, time
from torch.utils.cpp_extension import load_inline
cuda = '''
#include <torch/extension.h>
__global__ void scale(const float* x, float* y, int n, float a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i];
}
torch::Tensor run(torch::Tensor x, double a) {
    auto y = torch::empty_like(x);
    scale<<<(x.numel() + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel(), a);
    return y;
}
'''
begun = time.perf_counter()
load_inline(name=sys.argv[1], cpp_sources="torch::Tensor run(torch::Tensor x, double a);", cuda_sources=cuda, functions=["run"])
print(time.perf_counter() - begun)
"""


def distinct(task: Task, salt: str, number: int) -> Candidate:
    """The baseline with a constant of its own, in code that is built and never run."""
    name = f"distinct_{salt}_{number}"
    source = f'{task.baseline}\nextern "C" __global__ void {name}(int* p) {{ *p = {number}; }}\n'
    return Candidate(task=digest.task(task), source=source, flags=task.flags, origin=Origin(proposer="benchmark"))


def measure(task: Task, *, device: str, metrics: str, candidates: int, parallel: int) -> dict[str, float]:
    """Candidates a minute, and seconds by stage; the first few, which make the task's contents and warm the boxes, do not count."""
    lab = open_lab(device=device, metrics=metrics)
    salt = uuid.uuid4().hex[:8]
    try:
        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(lambda n: evaluate(distinct(task, salt, n), task, lab), range(-parallel, 0)))
            begun = time.perf_counter()
            found = list(pool.map(lambda n: evaluate(distinct(task, salt, n), task, lab), range(candidates)))
            seconds = time.perf_counter() - begun
    finally:
        lab.close()
    if failed := [evaluation for evaluation in found if not evaluation.passed]:
        sys.exit(f"{len(failed)} of {len(found)} did not pass: {failed[0].verdict.value}: {failed[0].detail}")
    if unprofiled := [e.profile.notes for e in found if e.profile is not None and not e.profile.metrics]:
        sys.exit(f"{len(unprofiled)} of {len(found)} have no counters: {'; '.join(unprofiled[0])}")
    stages = {name: statistics.fmean(e.seconds.get(name, 0.0) for e in found) for name in ("build", "verify", "measure", "profile")}
    return {"candidates_per_minute": 60 * candidates / seconds, "median_us": statistics.median(e.time_us for e in found), **stages}


def load_inline_seconds() -> float | None:
    """Seconds of one cold build; None without torch."""
    done = subprocess.run([sys.executable, "-c", LOAD_INLINE, f"inline_{uuid.uuid4().hex[:8]}"], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"load_inline: not measured: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        return None
    return float(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--task", default="core/row_softmax")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--parallel", type=int, default=8, help="candidates under way at once: building uses CPU cores, the GPU times one")
    parser.add_argument("--load-inline", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    task = catalog.task(options.task)
    results: dict[str, object] = {"task": options.task, "device": options.device, "parallel": options.parallel}
    for label, metrics in (("without profile", "none"), ("with profile", "quick")):
        figures = measure(task, device=options.device, metrics=metrics, candidates=options.candidates, parallel=options.parallel)
        results[label] = figures
        stages = ", ".join(f"{name} {figures[name]:.2f}" for name in ("build", "verify", "measure", "profile"))
        print(f"{label:16} {figures['candidates_per_minute']:7.1f} a minute   seconds each, waiting included: {stages}", flush=True)
    if options.load_inline and (seconds := load_inline_seconds()) is not None:
        results["load_inline_seconds"] = seconds
        print(f"load_inline      {60 / seconds:7.1f} a minute   {seconds:.1f} s for one build alone")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
