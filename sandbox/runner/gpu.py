"""The program inside the box on an NVIDIA GPU: serves one job and ends.

    python gpu.py cupy|pycuda INPUTS OUTPUTS QUIET_LOCK

It imports its library, makes the CUDA context and writes one line of JSON to say that it is ready; a line on standard input
starts the job. INPUTS holds `job.json` and what it names, and is read only; results go to files that already lie in OUTPUTS.
What it reports of itself are facts for the box's owner to judge: whether an output is right is not decided here, and nothing
here knows the answer.

Making a context is work on the GPU: it waits for QUIET_LOCK to be free, which the owner holds while another box is being timed.
"""

from __future__ import annotations

import fcntl
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gpu_base import CudaFailure, Gpu
from gpu_call import Call, NotLoadable, Program

# Work that goes on after the last event, seen from the host: less is the noise of a synchronisation.
LATE_US = 50.0
# Samples suffice when the interquartile range over sqrt(n) is this small a part of the median.
PRECISION = 0.001
FEWEST_SAMPLES = 3  # even when the time is up
FLUSH_BYTES = 96 << 20  # at least; longer than the host takes to launch, so that the GPU does not wait between the events


class Cheated(Exception):
    """The candidate changed what it may not."""


def main() -> None:
    backend, inputs, outputs, lock = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    try:
        gpu = _open(backend, lock)
        ready = {"facts": gpu.facts()}
    except (ImportError, CudaFailure) as error:
        _say({"error": f"{type(error).__name__}: {error}"})
        return
    _say(ready)
    if not sys.stdin.readline():
        gpu.close()  # not needed after all
        return
    _say({"begun": True})  # from here on, an early end is the candidate's doing
    job = json.loads((inputs / "job.json").read_bytes())
    report = _serve(gpu, job, inputs, outputs)
    with (outputs / "result.json").open("r+b") as file:
        file.write(json.dumps(report).encode())
    gpu.close()


def _open(backend: str, lock: Path) -> Gpu:
    make: Callable[[], Gpu]
    if backend == "cupy":
        from gpu_cupy import CupyGpu as make
    else:
        from gpu_pycuda import PycudaGpu as make
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return make()


def _say(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _serve(gpu: Gpu, job: Mapping[str, Any], inputs: Path, outputs: Path) -> dict[str, Any]:
    report: dict[str, Any] = {"failure": None, "detail": "", "calls": [], "notes": {}}
    label = "loading"
    try:
        flush, overhead = _flusher(gpu, job["timing"]) if job["mode"] == "time" else (None, None)
        if overhead is not None:
            report["notes"]["empty event pair µs"] = f"{overhead:.2f}"
        program = Program(gpu, inputs / "artifact", job["entry"])
        for spec in job["calls"]:
            label = spec["label"]
            call = Call(gpu, program, spec, inputs)
            samples = [] if flush is None else _time(gpu, call, job["timing"], flush)
            if flush is None:
                call.reset()
                call.launch()
            gpu.synchronise()
            if tampering := call.tampering():
                raise Cheated(tampering)
            call.write(outputs)
            call.close()
            report["calls"].append({"label": label, "samples_us": samples})
    except (CudaFailure, NotLoadable) as error:
        report.update(failure="crashed", detail=f"{label}: {error}")
    except Cheated as error:
        report.update(failure="cheated", detail=f"{label}: {error}")
    return report


def _flusher(gpu: Gpu, timing: Mapping[str, Any]) -> tuple[Callable[[], None], float]:
    """A function that evicts L2 by writing twice its size, and the time of an empty event pair in µs."""
    nbytes = max(2 * gpu.l2_bytes, FLUSH_BYTES)
    pointer = gpu.allocate(nbytes) if timing["flush_l2"] else 0

    def flush() -> None:
        if pointer:
            gpu.fill(pointer, 0x5A, nbytes)

    begin, end = gpu.event(), gpu.event()
    pairs = []
    for _ in range(20):
        flush()
        gpu.record(begin)
        gpu.record(end)
        gpu.wait(end)
        pairs.append(gpu.elapsed_us(begin, end))
    return flush, statistics.median(pairs)


def _time(gpu: Gpu, call: Call, timing: Mapping[str, Any], flush: Callable[[], None]) -> list[float]:
    """Every sample in µs, in order. Outputs are poisoned before each, so those that remain are the last launch's own."""
    _warm_up(gpu, call, timing["warmup_ms"] / 1e3)
    begin, end = gpu.event(), gpu.event()
    samples: list[float] = []
    gc.disable()
    started = time.perf_counter()
    while not _enough(samples, timing, time.perf_counter() - started):
        call.reset()
        flush()
        gpu.record(begin)
        call.launch()
        gpu.record(end)
        gpu.wait(end)
        seen = time.perf_counter()
        gpu.synchronise()  # other streams count as well
        late = (time.perf_counter() - seen) * 1e6
        samples.append(gpu.elapsed_us(begin, end) + (late if late > LATE_US else 0.0))
    gc.enable()
    return samples


def _warm_up(gpu: Gpu, call: Call, seconds: float) -> None:
    # By time and not by count: clocks need milliseconds to rise, however short the kernel is.
    started = time.perf_counter()
    while True:
        call.reset()
        call.launch()
        gpu.synchronise()
        if time.perf_counter() - started >= seconds:
            return


def _enough(samples: list[float], timing: Mapping[str, Any], seconds: float) -> bool:
    count = len(samples)
    if count >= timing["max_samples"]:
        return True
    if seconds >= timing["max_seconds"] and count >= FEWEST_SAMPLES:
        return True
    if count < timing["min_samples"] or count % 10:
        return False
    quartiles = statistics.quantiles(samples, n=4)
    return bool((quartiles[2] - quartiles[0]) / count**0.5 <= PRECISION * quartiles[1])


if __name__ == "__main__":
    main()
