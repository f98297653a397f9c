"""The process that measures: reads chunks of points from standard input, one JSON a line, and answers each point with a line.

    python measure.py FOLDER        (started by ../record_space.py)

Before a point it says {"begin": i}, so that whoever started it knows which point a crash or a hang belongs to. After an error that
takes the context it says what it knows of the point and ends with status 3; another process goes on behind it.

A sample is the time between two events around one launch. L2 is overwritten before each, by a fill that is queued ahead: the GPU is
busy with it while the launch is being asked for, so what a launch costs the host is no part of the sample.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gpu import LOCAL, REGISTERS, SHARED, CudaError, Gpu, arguments

SAMPLES = 9
SAMPLES_OF_SLOW = 7
SLOW_MS = 5.0
HOPELESS_MS = 200.0  # a point that takes this long is recorded as a time-out after one launch
WARMING = 300  # fills of L2 before a chunk, about 15 ms, so that clocks are up after waiting for a compiler
NAN = 0xFFFFFFFF


class Subject:
    """One kernel's buffers on the device, and the module of its point of reference."""

    def __init__(self, gpu: Gpu, folder: Path) -> None:
        meta = json.loads((folder / "meta.json").read_text())
        self.inputs = [gpu.upload(np.load(folder / f"input{i}.npy")) for i in range(meta["inputs"])]
        expected = np.load(folder / "expected.npy")
        self.words = expected.size
        self.expected, self.out = gpu.upload(expected), gpu.allocate(expected.nbytes)
        self.absolute, self.relative = meta["absolute"], meta["relative"]
        self.table = arguments(*(ctypes.c_uint64(p) for p in (*self.inputs, self.out)))
        self.canary: tuple[int, Mapping[str, Any]] | None = None


class Bench:
    """Everything that outlives a point."""

    def __init__(self, gpu: Gpu, folder: Path) -> None:
        self.gpu, self.folder = gpu, folder
        self.compare = gpu.function(gpu.load((folder / "compare.cubin").read_bytes()), "compare")
        self.wrong = gpu.allocate(4)
        self.flush_words = max(1 << 20, 2 * gpu.l2_bytes // 4)
        self.flushed = gpu.allocate(self.flush_words * 4)
        self.events = [(gpu.event(), gpu.event()) for _ in range(SAMPLES)]
        self.subjects: dict[str, Subject] = {}

    def subject(self, space: str) -> Subject:
        if space not in self.subjects:
            self.subjects[space] = Subject(self.gpu, self.folder / space)
        return self.subjects[space]

    def flush(self) -> None:
        self.gpu.fill(self.flushed, 0, self.flush_words)

    def samples(self, function: int, point: Mapping[str, Any], subject: Subject, count: int) -> list[float]:
        self.flush()  # twice before the first, so that the host is ahead from the start
        for begin, end in self.events[:count]:
            self.flush()
            self.gpu.record(begin)
            self.gpu.launch(function, point["grid"], point["block"], point["shared"], subject.table)
            self.gpu.record(end)
        self.gpu.synchronise()
        return [round(self.gpu.elapsed_ms(begin, end), 6) for begin, end in self.events[:count]]

    def mismatches(self, subject: Subject) -> int:
        self.gpu.fill(self.wrong, 0, 1)
        u64, f32, u32 = ctypes.c_uint64, ctypes.c_float, ctypes.c_uint
        given = arguments(
            u64(subject.out), u64(subject.expected), u32(subject.words), f32(subject.absolute), f32(subject.relative), u64(self.wrong)
        )
        self.gpu.launch(self.compare, (1056, 1, 1), (256, 1, 1), 0, given)
        return self.gpu.read_word(self.wrong)


def measured(bench: Bench, module: int, point: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """What is recorded of one point."""
    gpu, started = bench.gpu, time.perf_counter()
    threads = point["block"][0] * point["block"][1] * point["block"][2]
    function = gpu.function(module, point["name"])
    found: dict[str, Any] = {
        "registers": gpu.attribute(function, REGISTERS),
        "local_bytes": gpu.attribute(function, LOCAL),
        "shared_bytes": gpu.attribute(function, SHARED) + point["shared"],
    }
    try:
        gpu.allow_shared(function, point["shared"])
        resident = gpu.resident_blocks(function, threads, point["shared"])
        found["occupancy"] = round(resident * threads / gpu.threads_a_multiprocessor, 4)
        gpu.fill(subject.out, NAN, subject.words)
        begin, end = bench.events[0]
        bench.flush()
        gpu.record(begin)
        gpu.launch(function, point["grid"], point["block"], point["shared"], subject.table)
        gpu.record(end)
        gpu.synchronise()
        first = gpu.elapsed_ms(begin, end)
        if wrong := bench.mismatches(subject):
            return found | {"invalidity": "correctness", "error": f"{wrong} of {subject.words} elements wrong"}
        found["validation_ms"] = round((time.perf_counter() - started) * 1e3, 3)
        if first > HOPELESS_MS:
            return found | {"invalidity": "timeout", "error": f"{first:.0f} ms"}
        count = SAMPLES if first < SLOW_MS else SAMPLES_OF_SLOW
        times = bench.samples(function, point, subject, count)
        taken = (time.perf_counter() - started) * 1e3 - found["validation_ms"]
        return found | {"invalidity": "correct", "times": times, "time": statistics.median(times), "benchmark_ms": round(taken, 3)}
    except CudaError as error:
        return found | {"invalidity": "runtime", "error": str(error), "sticky": error.sticky}


def canary(bench: Bench, chunk: Mapping[str, Any], subject: Subject) -> float | None:
    """The point of reference once more: what it shows over an hour is the drift that all points had."""
    given = chunk.get("canary")
    if given is None:
        return None
    if subject.canary is None:
        module = bench.gpu.load(Path(given["cubin"]).read_bytes())
        subject.canary = (bench.gpu.function(module, given["point"]["name"]), given["point"])
        bench.gpu.allow_shared(subject.canary[0], given["point"]["shared"])
    function, point = subject.canary
    return statistics.median(bench.samples(function, point, subject, SAMPLES_OF_SLOW))


def serve(bench: Bench, chunk: Mapping[str, Any]) -> bool:
    """Measures a chunk; False when the context was lost."""
    subject = bench.subject(chunk["space"])
    module = bench.gpu.load(Path(chunk["cubin"]).read_bytes())
    for _ in range(WARMING):
        bench.flush()
    for point in chunk["points"]:
        print(json.dumps({"begin": point["i"]}), flush=True)
        result = measured(bench, module, point, subject)
        print(json.dumps({"i": point["i"], **result}), flush=True)
        if result.get("sticky"):
            return False
    bench.gpu.unload(module)
    print(json.dumps({"done": chunk["number"], "canary": canary(bench, chunk, subject)}), flush=True)
    return True


def main() -> int:
    gpu = Gpu()
    print(json.dumps({"facts": gpu.facts()}), flush=True)
    bench = Bench(gpu, Path(sys.argv[1]))
    return 0 if all(serve(bench, json.loads(line)) for line in sys.stdin) else 3


if __name__ == "__main__":
    sys.exit(main())
