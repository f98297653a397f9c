"""NVIDIA GPUs, through cupy or pycuda in a box: devices `cuda` and `pycuda`.

Every job runs in a box of its own, started ahead of need (see `pool`), alone on the GPU, and is driven from outside (see `boxed`). This
process never makes a CUDA context, so nothing that a candidate does to one can reach it. In the launcher form candidate code runs in
the process that takes the times; what it could forge there is bounded by our own clock, and by the physical floor.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from kernelsearch import nsight, process, sanitizer
from kernelsearch.device import cores, health, inventory, nvml
from kernelsearch.device.base import IN_USE, NOT_WATCHED, Job, JobResult, KernelCounters, ProfileResult, Rung
from kernelsearch.device.border import died
from kernelsearch.device.boxed import BEGUN, Boxes
from kernelsearch.device.cuda_job import Delivery, PlanUnusable
from kernelsearch.device.health import Health
from kernelsearch.device.pool import GpuLock, Slot, WarmPool
from kernelsearch.device.report import MOST_BYTES, NAME, Reader
from kernelsearch.device.runner import libraries, runner_box, runner_command
from kernelsearch.errors import DeviceLost, ToolMissing
from kernelsearch.model import Hardware, TimeKind, Verdict
from kernelsearch.sandbox.base import Box, BoxResult, Sandbox
from kernelsearch.sandbox.files import read_left
from kernelsearch.sanitizer import SanitizerReport

_WARM_BOXES = 4  # each is ready after about a second, and a candidate takes two
_WARM_PROFILERS = 1
_WARM_TORCH_BOXES = 3
_TABLE_BYTES = 8 << 20
_MODULES = {"cupy": ("cupy", "numpy"), "pycuda": ("pycuda", "numpy")}
_EXTRAS = {"cupy": "gpu", "pycuda": "pycuda"}
_PASSED_ON = ("LD_LIBRARY_PATH", "CUDA_PATH", "CUDA_HOME")  # where a machine's libraries lie; ours to trust


class CudaDevice:
    """See `device.base.Device`. Raises `ToolMissing` when there is no such GPU or no such library."""

    def __init__(self, *, sandbox: Sandbox, scratch: Path, hardware: Hardware, ordinal: int, backend: str, support: Path) -> None:
        self._gpu = _gpu(ordinal)
        self._hardware = hardware
        self._backend = backend
        self._libraries = libraries(_MODULES[backend], _EXTRAS[backend])
        self._sandbox = sandbox
        self._scratch = scratch
        self._support = support
        self._lock = GpuLock(self._gpu.uuid)
        self._kept = cores.keep(self._gpu.uuid)
        self._cores = None if self._kept is None else self._kept.cores
        process.keep_free(cores.kept)
        self._profilers: dict[tuple[tuple[str, ...], bool], WarmPool] = {}
        self._sanitizers: dict[str, WarmPool] = {}
        self._profilers_lock = threading.Lock()
        self._pool = WarmPool(sandbox, scratch, lambda folder: self._box(folder, self._runner(folder)), _WARM_BOXES)
        self._boxes = self._served(self._pool)
        self._torch_boxes: Boxes | None = None
        self._facts = {
            "gpu": self._gpu.name,
            "gpu uuid": self._gpu.uuid,
            "driver": self._gpu.driver,
            "timed on": "any CPU" if self._cores is None else f"CPU {self._cores.boxes}, which nothing else of ours uses",
            **self._pool.facts(),
        }
        told = {IN_USE: nvml.foreign(self._gpu.uuid, [os.getpid()]), NOT_WATCHED: nvml.missing(self._gpu.uuid)}
        self._facts |= {name: "; ".join(sentences) for name, sentences in told.items() if sentences}
        self._health = self._look()
        if not self._health.ok:
            self.close()
            raise DeviceLost(f"{self._gpu.name} does not copy 256 MiB right: see dmesg for the Xid; `nvidia-smi -r` or a reboot may help")

    @property
    def name(self) -> str:
        return self._gpu.name

    @property
    def time_kind(self) -> TimeKind:
        return TimeKind.MEASURED

    @property
    def hardware(self) -> Hardware:
        return self._hardware

    @property
    def facts(self) -> Mapping[str, str]:
        return self._facts

    @property
    def draws(self) -> bool:
        return True

    def run(self, job: Job, rung: Rung | None = None) -> JobResult:
        boxes = self._boxes if job.torch is None else self._with_torch()
        result = boxes.run(job, rung, lambda: nvml.state(self._gpu.uuid))
        if result.failure in (Verdict.CRASHED, Verdict.TIMED_OUT) and (why := health.sick(self._health, self._look())):
            raise DeviceLost(f"after a candidate that {result.failure.value}, {self._gpu.name} is not fit any more: {why}")
        return result

    def _look(self) -> Health:
        """The GPU's health, by a program of ours in a box of its own."""
        found = self._boxes.probe()
        return health.look(
            self._gpu.uuid,
            ok=found.get("probe ok") == "True",
            bytes_per_s=float(found.get("probe bytes/s", 0)),
            own_pids=[os.getpid()],
        )

    def profile(self, job: Job, metrics: Sequence[str]) -> ProfileResult:
        started = time.monotonic()
        ncu = nsight.find_ncu()
        if ncu is None:
            return ProfileResult(missing="Nsight Compute (ncu) is not installed; it comes with the CUDA toolkit")
        slot = self._profiler(ncu, tuple(metrics), reported=bool(job.source)).take()
        try:
            result, end = self._serve(slot, job, self._lock.alone(quiet=True))
            left = read_left(slot.outputs / "ncu.csv", _TABLE_BYTES) or b""
            report = read_left(slot.outputs / NAME, MOST_BYTES) if job.source else None
        finally:
            slot.close()
        table = nsight.parse(left.decode(errors="replace"))
        page, unread = "", f"no hot lines: the profiler left no report of at most {MOST_BYTES >> 20} MiB" if job.source else ""
        if report:
            reader = Reader(ncu=ncu, sandbox=self._sandbox, folder=self._scratch)
            page, unread = reader.source_page(report, job.source)
            table = table if table.kernels else reader.table(report)
        missing = table.missing
        if missing and result.failure is not None:
            last = (end.stderr.strip().splitlines() or [""])[-1] if end is not None else ""
            missing = f"{missing}; the run under the profiler: {result.failure.value}, {result.detail} {last}".rstrip()
        seconds = time.monotonic() - started
        return ProfileResult(
            kernels=_counters(table, metrics), missing=missing, report=report, source_page=page, unread=unread, seconds=seconds
        )

    def sanitize(self, job: Job) -> tuple[SanitizerReport, ...]:
        """One report a tool. They run side by side, as nothing about them is timed."""
        path = sanitizer.find()
        if path is None:
            return (SanitizerReport(missing="compute-sanitizer is not installed; it comes with the CUDA toolkit"),)
        with ThreadPoolExecutor(len(sanitizer.TOOLS)) as pool:
            asked = [pool.submit(contextvars.copy_context().run, self._sanitized, path, tool, job) for tool in sanitizer.TOOLS]
            return tuple(each.result() for each in asked)

    def _sanitized(self, path: Path, tool: str, job: Job) -> SanitizerReport:
        slot = self._sanitizer(path, tool).take()
        try:
            _, end = self._serve(slot, job, self._lock.beside())
            text = (read_left(slot.outputs / "sanitizer.txt", _TABLE_BYTES) or b"").decode(errors="replace")
        finally:
            slot.close()
        report = sanitizer.parse(text, tool, returncode=None if end is None else end.returncode)
        return replace(report, hazards=sanitizer.doubted(report.hazards, job.build.instructions))

    def close(self) -> None:
        for boxes in (self._boxes, self._torch_boxes):
            if boxes is not None:
                boxes.close()
        with self._profilers_lock:
            for pool in (*self._profilers.values(), *self._sanitizers.values()):
                pool.close()
        if self._kept is not None:
            self._kept.close()

    def _sanitizer(self, path: Path, tool: str) -> WarmPool:
        """A box in which the runner waits under the sanitizer; started when it is first needed, since most candidates never are."""

        def describe(folder: Path) -> Box:
            command = sanitizer.command(path, tool, folder / "out" / "sanitizer.txt", self._runner(folder))
            return self._box(folder, command, (path.parent,))

        with self._profilers_lock:
            if tool not in self._sanitizers:
                self._sanitizers[tool] = WarmPool(self._sandbox, self._scratch, describe, 0)
            return self._sanitizers[tool]

    def _serve(self, slot: Slot, job: Job, held: AbstractContextManager[None]) -> tuple[JobResult, BoxResult | None]:
        """Run `job` in the box of `slot`, each call once, with the GPU `held`; with how the box ended, if it came to that."""
        try:
            delivery = Delivery(job, slot.inputs, slot.outputs, self._support, ())
        except PlanUnusable as error:
            return JobResult(failure=Verdict.CRASHED, detail=str(error)), None
        try:
            with held:
                slot.box.send(b"go\n")
                end = slot.box.wait(job.timeout_s)
            if end.timed_out:
                return JobResult(failure=Verdict.TIMED_OUT, detail=f"no end after {job.timeout_s:g} s"), end
            if BEGUN not in end.stdout:
                raise DeviceLost(f"a warm box on {self._gpu.name} was dead before its job began: {died(end)}")
            failure = delivery.failure(end.seconds)
            if failure is None and (end.returncode != 0 or delivery.report() is None):
                failure = JobResult(failure=Verdict.CRASHED, detail=died(end))
            return failure or JobResult(), end
        finally:
            delivery.close()

    def _with_torch(self) -> Boxes:
        """Boxes whose processes have imported torch, which takes seconds: started once a task wants them."""
        with self._profilers_lock:
            if self._torch_boxes is None:
                libraries(("torch",), "torch")
                pool = WarmPool(self._sandbox, self._scratch, self._torch_box, _WARM_TORCH_BOXES)
                self._torch_boxes = self._served(pool)
            return self._torch_boxes

    def _profiler(self, ncu: Path, metrics: tuple[str, ...], *, reported: bool) -> WarmPool:
        """Boxes in which the runner waits under the profiler: starting the two takes longer than the profile itself.

        Those that leave a report are wanted for a few candidates of a run, so none is kept waiting.
        """

        def describe(folder: Path) -> Box:
            out = folder / "out"
            report = out / NAME if reported else None
            command = nsight.command(ncu, metrics, out / "ncu.csv", self._runner(folder), report=report)
            return self._box(folder, command, (ncu.parent,))

        with self._profilers_lock:
            if (metrics, reported) not in self._profilers:
                warm = 0 if reported else _WARM_PROFILERS
                self._profilers[metrics, reported] = WarmPool(self._sandbox, self._scratch, describe, warm)
            return self._profilers[metrics, reported]

    def _served(self, pool: WarmPool) -> Boxes:
        return Boxes(pool, self._lock, self._support, self._gpu.uuid, self._gpu.name, cores=self._cores)

    def _runner(self, folder: Path) -> tuple[str, ...]:
        return runner_command(self._backend, folder, self._lock)

    def _torch_box(self, folder: Path) -> Box:
        box = self._box(folder, (*self._runner(folder), "torch"))
        # The libraries of torch hold thousands of kernels: loading them all takes many seconds, before the first call.
        return replace(box, env={**box.env, "CUDA_MODULE_LOADING": "LAZY"})

    def _box(self, folder: Path, command: tuple[str, ...], more: tuple[Path, ...] = ()) -> Box:
        box = runner_box(command, folder, self._lock, self._libraries, more)
        env = {
            "CUDA_VISIBLE_DEVICES": self._gpu.uuid,
            "CUDA_CACHE_DISABLE": "1",
            "CUDA_MODULE_LOADING": "EAGER",
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        }
        return replace(box, devices=self._gpu.nodes, env={**box.env, **env})


def _counters(table: nsight.Table, metrics: Sequence[str]) -> tuple[KernelCounters, ...]:
    """Those that were asked for: the tool adds many."""
    wanted = ({name: row.metrics[name] for name in metrics if name in row.metrics} for row in table.kernels)
    return tuple(KernelCounters(kernel=row.kernel, metrics=found) for row, found in zip(table.kernels, wanted, strict=True))


def _gpu(ordinal: int) -> inventory.GpuInfo:
    gpus = inventory.detect()
    if not gpus:
        raise ToolMissing("no NVIDIA GPU or driver was found; use `--device emulated`, or see `kernelsearch doctor`")
    if not 0 <= ordinal < len(gpus):
        raise ToolMissing(f"there is no GPU {ordinal}; found {len(gpus)}: {', '.join(gpu.name for gpu in gpus)}")
    return gpus[ordinal]
