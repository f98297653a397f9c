"""The program inside the box: serves one candidate and ends.

    python gpu.py cupy|pycuda|host INPUTS OUTPUTS QUIET_LOCK WIRE CONTENTS [torch]

It imports its library, makes the CUDA context and writes one line of JSON to say that it is ready; a line on standard input
starts the job. INPUTS holds `job.json` and what it names, and is read only; results go to files that already lie in OUTPUTS. The calls
themselves are asked for over the channel (KS_CHANNEL), unless the job says that each is to be made once.
What it reports of itself are facts for the box's owner to judge: whether an output is right is not decided here, and nothing
here knows the answer.

Making a context is work on the GPU: it waits for QUIET_LOCK to be free, which the owner holds while another box is being timed.
"""

from __future__ import annotations

import fcntl
import gc
import importlib.util
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from gpu_base import CudaFailure, Gpu, Handle, Param
from gpu_call import Disguised, NotLoadable, Program
from gpu_regions import GpuSupport, HostSupport, Region, Support
from gpu_serve import Server, serve

_PROBE_WORDS = 1 << 25  # 256 MiB


def main() -> None:
    backend, inputs, outputs, lock = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    wire, contents = _module("wire", sys.argv[5]), _module("contents", sys.argv[6])
    try:
        gpu = _open(backend, lock)
        if sys.argv[7:] == ["torch"]:
            import torch_program  # noqa: F401 - takes seconds, and must be there before the candidate
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
    report = _work(gpu, job, (inputs, outputs), wire, contents)
    with (outputs / "result.json").open("r+b") as file:
        file.write(json.dumps(report).encode())
    gpu.close()


def _module(name: str, path: str) -> ModuleType:
    """One of the two files that we share with whoever drives us."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _open(backend: str, lock: Path) -> Gpu:
    make: Callable[[], Gpu]
    if backend == "cupy":
        from gpu_cupy import CupyGpu as make
    elif backend == "pycuda":
        from gpu_pycuda import PycudaGpu as make
    else:
        from gpu_host import HostGpu as make
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return make()


def _say(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _work(gpu: Gpu, job: Mapping[str, Any], folders: tuple[Path, Path], wire: ModuleType, contents: ModuleType) -> dict[str, Any]:
    if job.get("cpu") is not None:
        os.sched_setaffinity(0, {job["cpu"]})  # before the candidate is there: a thread of its own inherits it
    report: dict[str, Any] = {"failure": None, "detail": "", "notes": {}}
    label = "loading"
    server = None
    gc.disable()
    try:
        module = gpu.load((folders[0] / "support").read_bytes()) if gpu.on_device else None
        if job["mode"] == "probe":
            report["notes"] = _probe(gpu, module)
            return report
        program = _program(gpu, folders[0] / "artifact", job)
        server = Server(gpu, program, job, folders, _support(gpu, module, contents))
        if job["mode"] == "serve":
            channel = socket.socket(fileno=int(os.environ["KS_CHANNEL"]))
            serve(server, lambda: channel.recv(wire.ORDER_BYTES), channel.sendall, wire)
        else:
            server.once()
    except (CudaFailure, NotLoadable) as error:
        report.update(failure="crashed", detail=f"{server.label if server else label}: {error}")
    except Disguised as error:
        report.update(failure="cheated", detail=f"{server.label if server else label}: {error}")
    return report


def _program(gpu: Gpu, artifact: Path, job: Mapping[str, Any]) -> Program:
    if job["torch"] is None:
        return Program(gpu, artifact, job["entry"])
    from torch_program import TorchProgram

    made: Program = TorchProgram(gpu, artifact, job["torch"], job["entry"], "cuda" if gpu.on_device else "cpu")
    return made


def _support(gpu: Gpu, module: Handle, contents: ModuleType) -> Callable[[list[Region], list[Region]], Support]:
    if gpu.on_device:
        return lambda regions, outputs: GpuSupport(gpu, module, regions, outputs)
    return lambda regions, outputs: HostSupport(contents, regions, outputs)


def _probe(gpu: Gpu, module: Handle) -> dict[str, str]:
    """Copy a known pattern, several times, by a kernel; whether it arrived, and how fast."""
    nbytes = 8 * _PROBE_WORDS
    source, target = gpu.allocate(nbytes), gpu.allocate(nbytes)
    pattern = np.arange(_PROBE_WORDS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    gpu.upload(source, pattern.view(np.uint8))
    gpu.fill(target, 0, nbytes)
    params = [Param("P", source), Param("P", target), Param("Q", _PROBE_WORDS)]
    copy = gpu.prepare(module, "ks_copy", (2048, 1, 1), (512, 1, 1), 0, params)
    begin, end = gpu.event(), gpu.event()
    times = []
    for _ in range(5):
        gpu.record(begin)
        copy()
        gpu.record(end)
        gpu.wait(end)
        times.append(gpu.elapsed_us(begin, end))
    found = np.empty(nbytes, np.uint8)
    gpu.download(target, found)
    right = np.array_equal(found.view(np.uint64), pattern)
    return {"probe ok": str(right), "probe bytes/s": f"{2 * nbytes / (sorted(times)[2] * 1e-6):.6g}", "probed at": f"{time.time():.0f}"}


if __name__ == "__main__":
    main()
