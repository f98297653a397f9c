"""Measures whole tuning spaces of our templated kernels on the GPU at hand, failures kept, in Kernel Tuner's T4 and cache forms.

    python benchmarks/record_space.py --space NAME|all --out DIR [--parallel 16] [--seconds-limit S] [--sample N]

Sources of fifty instances each are compiled at once by nvcc; a process of its own (`spaces/measure.py`) launches, verifies and times
what is compiled, and is replaced behind a point that takes its context. Points are in random order and spaces take turns, so a recording
that the limit cuts short is a uniform sample of each space. DIR gets `spaces.tar` (NAME.t4.json.xz and NAME.cache.json.xz, each at
most 2 MB) and `summary.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spaces import templated
from spaces.archive import facts_of_machine, summary, write
from spaces.bench import Bench, BenchBroken, Chunk

from kernelsearch.formats.kerneltuner import Space

CHUNK = 50  # instances a compilation: enough to share its start, few enough to be spread over all cores
COMPILE_LIMIT_S = 180


@dataclass(kw_only=True)
class Progress:
    """One space while it is recorded."""

    space: Space
    points: list[dict[str, Any]]  # in the order of recording
    results: dict[int, dict[str, Any]] = field(default_factory=dict)  # by place in `points`
    canary: dict[str, Any] | None = None
    drift: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """nvcc for the GPU at hand."""

    folder: Path
    arch: str

    def compiled(self, space: Space, points: Sequence[tuple[int, dict[str, Any]]], number: str) -> Iterator[Chunk | dict[str, Any]]:
        """A chunk of all points; where one does not compile it is found by halving, and comes as a failure of its own."""
        stem = self.folder / f"{space.name}-{number}"
        source, cubin = stem.with_suffix(".cu"), stem.with_suffix(".cubin")
        source.write_text(templated.source(space, [point for _, point in points]))
        began = time.perf_counter()
        error = self.run(source, cubin)
        spent = (time.perf_counter() - began) * 1e3 / len(points)
        source.unlink()
        if error is None:
            launches = [(i, f"p{place}", space.launched(point)) for place, (i, point) in enumerate(points)]
            yield Chunk(space=space.name, number=number, cubin=str(cubin), launches=launches, compile_ms=round(spent, 3))
        elif len(points) == 1:
            yield {"i": points[0][0], "invalidity": "compile", "error": error, "compile_ms": round(spent, 3)}
        else:
            half = len(points) // 2
            yield from self.compiled(space, points[:half], number + "a")
            yield from self.compiled(space, points[half:], number + "b")

    def run(self, source: Path, cubin: Path) -> str | None:
        """None, or why it did not compile."""
        command = ["nvcc", "-cubin", f"-arch={self.arch}", "-std=c++17", "-O3", f"-I{templated.FOLDER}", "-o", str(cubin), str(source)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"nvcc took more than {COMPILE_LIMIT_S} s"
        if done.returncode < 0:
            return f"nvcc was killed by signal {-done.returncode}"
        return None if done.returncode == 0 else next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)[:300]


def prepare(space: Space, folder: Path) -> None:
    """Inputs and expected outputs as files that every measuring process reads."""
    import numpy as np

    subject = templated.SUBJECTS[space.name]
    here = folder / space.name
    here.mkdir()
    inputs = subject.inputs(np.random.default_rng(20))
    for i, data in enumerate(inputs):
        np.save(here / f"input{i}.npy", data)
    np.save(here / "expected.npy", np.ascontiguousarray(subject.reference(*inputs), dtype=np.float32))
    meta = {"inputs": len(inputs), "absolute": subject.absolute, "relative": templated.relative_tolerance(space)}
    (here / "meta.json").write_text(json.dumps(meta))


def chosen(space: Space, sample: int | None) -> list[dict[str, Any]]:
    """All points or some, the default first, the others in random order."""
    points = list(space.configurations())
    random.Random(f"record {space.name}").shuffle(points)
    points.sort(key=lambda point: point != space.default)
    return points[:sample]


def record(names: Sequence[str], options: argparse.Namespace, work: Path) -> tuple[list[Progress], dict[str, Any]]:
    """Compiles and measures everything, as far as the limit allows."""
    ends = time.monotonic() + options.seconds_limit
    bench = Bench(work, point_limit_s=options.point_limit)
    progress = {name: Progress(space=(s := templated.space(name)), points=chosen(s, options.sample)) for name in names}
    arch = options.arch or f"sm_{detected_arch()}"
    compiler = Compiler(folder=work, arch=arch)
    if error := compiler.run(templated.FOLDER / "compare.cu", work / "compare.cubin"):
        sys.exit(f"compare.cu does not compile: {error}")
    with ThreadPoolExecutor(max_workers=max(1, options.parallel - 1)) as pool:  # one core is for whoever measures
        prepared = {name: pool.submit(prepare, p.space, work) for name, p in progress.items()}
        jobs = _jobs(progress, compiler, pool)
        for count, (name, job) in enumerate(jobs):
            if time.monotonic() > ends:
                print(f"limit of {options.seconds_limit:.0f} s reached, {len(jobs) - count} chunks of {len(jobs)} left out", flush=True)
                pool.shutdown(wait=False, cancel_futures=True)
                break
            prepared[name].result()
            try:
                for part in job.result():
                    take(progress[name], part, bench)
            except BenchBroken as error:
                print(f"stopped: {error}", flush=True)
                pool.shutdown(wait=False, cancel_futures=True)
                break
            if count % 10 == 9 or count == len(jobs) - 1:
                _say(progress.values(), ends - options.seconds_limit)
    bench.close()
    return list(progress.values()), {**bench.facts, "arch": arch, "processes_lost": bench.lost}


def _jobs(progress: dict[str, Progress], compiler: Compiler, pool: ThreadPoolExecutor) -> list[tuple[str, Future[list[Any]]]]:
    """All compilations, asked for in the order in which they are measured; spaces take turns in proportion to their size."""
    due = []
    for name, p in progress.items():
        numbered = list(enumerate(p.points))
        starts = range(0, len(numbered), CHUNK)
        due += [(start / len(numbered), name, p.space, numbered[start : start + CHUNK]) for start in starts]
    due.sort(key=lambda job: job[:2])
    return [
        (name, pool.submit(lambda s=space, c=chunk, n=number: list(compiler.compiled(s, c, str(n)))))
        for number, (_, name, space, chunk) in enumerate(due)
    ]


def take(progress: Progress, part: Chunk | dict[str, Any], bench: Bench) -> None:
    """Measures a chunk, or notes what did not compile."""
    if isinstance(part, dict):
        progress.results[part["i"]] = part
        return
    if progress.canary is None and part.launches[0][0] == 0:
        progress.canary = part.alone(0)
    results, drift = bench.measure(part, progress.canary)
    for result in results:
        progress.results[result["i"]] = result | {"compile_ms": part.compile_ms}
    progress.drift += drift
    if progress.canary is None or progress.canary["cubin"] != part.cubin:
        Path(part.cubin).unlink(missing_ok=True)


def detected_arch() -> str:
    """Compute capability of the first GPU, asked of a process of its own so that this one has no context."""
    code = "from spaces.gpu import Gpu; print(Gpu().facts()['compute_capability'])"
    here = Path(__file__).resolve().parent
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        sys.exit(f"no GPU to record on: {done.stderr.strip().splitlines()[-1] if done.stderr else 'unknown'}")
    return done.stdout.strip()


def _say(all_progress: Sequence[Progress], began: float) -> None:
    states = []
    for p in all_progress:
        times = [r["time"] for r in p.results.values() if r["invalidity"] == "correct"]
        states.append(f"{p.space.name} {len(p.results)}/{len(p.points)} best {min(times) * 1e3 if times else float('nan'):.1f} µs")
    print(f"{time.monotonic() - began:5.0f} s  " + " · ".join(states), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=[*templated.SUBJECTS, "all"], default="all")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds-limit", type=float, default=420)
    parser.add_argument("--sample", type=int, help="so many points of each space, at random, in place of all")
    parser.add_argument("--point-limit", type=float, default=20, help="seconds after which a point counts as hung")
    parser.add_argument("--arch", help="such as sm_90; default: that of the GPU")
    options = parser.parse_args()
    names = list(templated.SUBJECTS) if options.space == "all" else [options.space]
    began = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    before = facts_of_machine()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="record-", dir=memory) as work:
        progress, facts = record(names, options, Path(work))
    metadata = {**facts, "before": before, "after": facts_of_machine(), "seconds": round(time.monotonic() - began, 1)}
    write(progress, metadata, options.out)
    print(summary(progress, metadata, options.out))


if __name__ == "__main__":
    main()
