"""Our end of the trusted process: started at the first question, kept for the next ones, ended with us.

There is one for each device that is asked for ("cpu", "cuda"). On a GPU it must not work beside a candidate: that is the caller's care.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import kernelsearch
from kernelsearch import codec
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.model import Distribution, DType, Task
from kernelsearch.oracle import wire
from kernelsearch.oracle.wire import Array

_SECONDS = 900.0  # for one question: a large problem in float64 on a slow processor
_LOG_CHARACTERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFact:
    """A tensor of a problem. `role`: input, parameter or output; `state`: a parameter's name in the module; others as in `Arg`."""

    name: str
    role: str
    dtype: DType
    shape: tuple[int, ...]
    state: str | None = None
    low: int | None = None
    high: int | None = None
    scale: float = 1.0
    distribution: Distribution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What running a problem told. Trees as in `TorchCall`; `bytes` and `flops` are what no kernel can do without."""

    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    tensors: tuple[TensorFact, ...]
    distributions: tuple[Distribution, ...]
    reduction: int
    bytes: int
    flops: int | None = None
    assumptions: tuple[str, ...] = field(default_factory=tuple)


class Process:
    """One trusted process that runs `module`, with `more` in its environment. A question that takes too long, or a worker that dies,
    ends it; whoever asks next starts a new one."""

    def __init__(self, device: str, *, module: str = "kernelsearch.oracle.worker", more: Mapping[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._said = 0  # bytes in it when the present question was asked
        root = str(Path(kernelsearch.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._popen = subprocess.Popen(
            [sys.executable, "-m", module, device],
            env={**os.environ, "PYTHONPATH": path, **(more or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is ours to handle
        )

    def ask(self, request: Mapping[str, Any], given: Mapping[str, Array], seconds: float) -> tuple[dict[str, Any], dict[str, Array]]:
        """Raises `UsageError` when there is no answer in time, or no process any more."""
        late = threading.Event()
        self._said = os.fstat(self._log.fileno()).st_size

        def give_up() -> None:
            late.set()
            self._popen.kill()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            wire.write(_pipe(self._popen.stdin), request, given)
            return wire.read(_pipe(self._popen.stdout))
        except (EOFError, OSError) as error:
            end = f"took more than {seconds:.0f} s" if late.is_set() else f"ended with code {self._popen.wait()}: {self._last_words()}"
            raise UsageError(f"the process that runs the PyTorch problem {end}") from error
        finally:
            timer.cancel()

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def close(self) -> None:
        self._popen.kill()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._popen.wait()
        self._log.close()

    def _last_words(self) -> str:
        # Read at a place of our own: the file's position is the worker's.
        end = os.fstat(self._log.fileno()).st_size
        begin = max(self._said, end - _LOG_CHARACTERS)
        return os.pread(self._log.fileno(), end - begin, begin).decode(errors="replace").strip() or "without a word"


_processes: dict[str, Process] = {}
_lock = threading.Lock()


def describe(source: str, *, where: str, device: str = "cpu") -> Description:
    """What the problem `source` is. `where` is for messages. Raises `UsageError` when it cannot be used, `ToolMissing` without torch."""
    answer, _ = _ask({"op": "describe", "source": source}, {}, where, device)
    return codec.load_json(Description, codec.dump_json(answer["result"]))


def compute(task: Task, inputs: Mapping[str, Array], *, device: str = "cpu") -> dict[str, Array]:
    """Exact outputs of a task that has `torch`, by argument, in the arguments' shapes; floats as float64. Raises as `describe` does."""
    if task.torch is None or task.reference is None:
        raise ValueError(f"task {task.name!r} is no PyTorch problem")
    given = {arg.name: inputs[arg.name] for arg in task.inputs}
    given |= {arg.name: given[arg.name].astype(bool) for arg in task.inputs if arg.dtype is DType.BOOL}
    request = {"op": "compute", "source": task.reference.source, "call": asdict(task.torch)}
    _, computed = _ask(request, given, f"{task.suite}/{task.name}", device)
    return {name: values.reshape(values.shape or (1,)) for name, values in computed.items()}


def described(source: str, *, where: str) -> dict[str, Any]:
    """What the program `source` (JSON, see `oracle.programs`) says of its cases. Raises as `describe` does."""
    answer, _ = _ask({"op": "program", "source": source}, {}, where, "cpu")
    found: dict[str, Any] = answer["result"]
    return found


def drawn(source: str, seed: int, sizes: Mapping[str, Any], *, where: str) -> dict[str, Array]:
    """The inputs that a program's own generator makes from `seed`. Raises as `describe` does."""
    return _ask({"op": "inputs", "source": source, "seed": seed, "values": dict(sizes)}, {}, where, "cpu")[1]


def computed(source: str, given: Mapping[str, Array], values: Mapping[str, Any], *, where: str) -> dict[str, Array]:
    """A program's outputs for these inputs, in the precision of its floats. Raises as `describe` does."""
    return _ask({"op": "reference", "source": source, "values": dict(values)}, given, where, "cpu")[1]


def close() -> None:
    """End the trusted processes."""
    with _lock:
        while _processes:
            _processes.popitem()[1].close()


atexit.register(close)


def _ask(
    request: Mapping[str, Any], given: Mapping[str, Array], where: str, device: str, seconds: float = _SECONDS
) -> tuple[dict[str, Any], dict[str, Array]]:
    """One question at a time, as the machine has no more to give."""
    if importlib.util.find_spec("torch") is None:
        raise ToolMissing(f"{where}: a reference in PyTorch needs torch; install kernelsearch[torch]")
    with _lock:
        process = _processes.pop(device, None)
        if process is not None and not process.alive:
            process.close()
            process = None
        process = process or Process(device)
        with contextlib.ExitStack() as unless_answered:  # an interrupted conversation cannot be taken up again
            unless_answered.callback(process.close)
            answer = process.ask(request, given, seconds)
            unless_answered.pop_all()
        _processes[device] = process
    if problem := answer[0].get("error"):
        raise UsageError(f"{where}: {problem}")
    return answer


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("both pipes were asked for")
    return pipe
