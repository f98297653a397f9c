"""Boxes kept warm for one job each, and the locks that let a job have the GPU alone.

A box is started ahead of need: its process imports its libraries, makes a CUDA context and waits. It serves one job and is thrown
away. The alternative, children forked by a server inside one lasting box, saves no time and shares that box's files and processes
among candidates.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from kernelsearch.device import held, kin
from kernelsearch.errors import DeviceLost, ToolMissing
from kernelsearch.sandbox.base import Box, LiveBox, Sandbox

READY_S = 180.0  # imports take a second; waiting for another process's timed job takes the rest


class GpuLock:
    """Makes jobs wait for each other, across threads and processes, by files that are locked and never written.

    Every job holds `job`, alone or shared; a timed or profiled one holds `quiet` too, for which a box waits before it makes its context.
    `turn` is held while one waits for `job`, so that those who share it do not keep out one who wants it alone.
    """

    def __init__(self, gpu_uuid: str) -> None:
        self._name = gpu_uuid
        self.job, self.quiet, self.turn = (kin.lock(gpu_uuid, what) for what in ("job", "quiet", "turn"))
        for path in (self.job, self.quiet, self.turn):
            if not path.exists():
                path.touch(mode=0o644)

    @contextmanager
    def alone(self, *, quiet: bool) -> Iterator[None]:
        """Hold the GPU."""
        with self._at_turn(fcntl.LOCK_EX), _locked(self.quiet) if quiet else nullcontext():
            yield

    def beside(self) -> AbstractContextManager[None]:
        """Share the GPU with others that need not be alone: nothing is timed meanwhile."""
        return self._at_turn(fcntl.LOCK_SH)

    @contextmanager
    def _at_turn(self, how: int) -> Iterator[None]:
        """`job`, taken in the order in which it was asked for."""
        with ExitStack() as ours:
            with _locked(self.turn):
                ours.enter_context(_locked(self.job, how))
            ours.enter_context(held.holding(self._name))
            yield


@contextmanager
def _locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Opened anew each time: the kernel counts locks by open file, so threads exclude each other too."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)


@dataclass(slots=True)
class Slot:
    """A started box with its two folders: `inputs`, which it can only read, and `outputs`."""

    box: LiveBox
    folder: Path
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> Path:
        return self.folder / "in"

    @property
    def outputs(self) -> Path:
        return self.folder / "out"

    def wait_ready(self) -> None:
        """Returns once the context is there. Raises `ToolMissing` without the library, `DeviceLost` without a usable GPU."""
        deadline = time.monotonic() + READY_S
        while not self.facts:
            line = self.box.read_line(deadline - time.monotonic())
            if line is None:
                end = self.box.wait(0.0)
                last = (end.stderr.strip() or end.stdout.strip() or "it said nothing").splitlines()[-1]
                raise DeviceLost(f"a box on the GPU ended before it was ready (exit code {end.returncode}): {last}")
            if not line.startswith("{"):
                continue  # a profiler around the runner talks as well
            message = json.loads(line)
            if "error" in message:
                kind = ToolMissing if "ModuleNotFoundError" in message["error"] else DeviceLost
                raise kind(f"the GPU cannot be used from the sandbox: {message['error']}; `kernelsearch doctor` tells more")
            self.facts = message["facts"]

    def close(self) -> None:
        self.box.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class WarmPool:
    """Keeps `size` boxes started. `describe` gives the box for a folder with `in` and `out` in it. Thread-safe."""

    def __init__(self, sandbox: Sandbox, scratch: Path, describe: Callable[[Path], Box], size: int) -> None:
        self._sandbox = sandbox
        self._scratch = scratch
        self._describe = describe
        self._size = size
        self._idle: deque[Slot] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Slot:
        """A ready box, for one job; `close` it afterwards. Others are started in its place."""
        with self._lock:
            if self._closed:
                raise DeviceLost("the device was closed")
            self._fill(self._size + 1)
            slot = self._idle.popleft()
        with ExitStack() as unless_ready:
            unless_ready.callback(slot.close)
            slot.wait_ready()
            unless_ready.pop_all()
        return slot

    def facts(self) -> Mapping[str, str]:
        """What a box says of library and driver versions; waits for the first to be ready."""
        with self._lock:
            self._fill(1)
            first = self._idle[0]
            first.wait_ready()
            self._fill(self._size)
        return first.facts

    def close(self) -> None:
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    def _fill(self, count: int) -> None:
        while len(self._idle) < count:
            folder = self._scratch / f"box-{uuid.uuid4().hex[:12]}"
            (folder / "in").mkdir(parents=True)
            (folder / "out").mkdir()
            self._idle.append(Slot(self._sandbox.start(self._describe(folder)), folder))
