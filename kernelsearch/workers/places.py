"""The GPUs of this machine by name: which of them a run is to use, and one at a time for those who want one each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

from kernelsearch.device import ON_GPU
from kernelsearch.device.nvml import detect
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.model.run import GPUS


class Gpus:
    """Hands out the devices called `names`, each to one holder at a time. Thread-safe."""

    def __init__(self, names: Sequence[str]) -> None:
        if not names:
            raise ValueError("there must be one GPU at least")
        self.names = tuple(names)
        self._free: SimpleQueue[str] = SimpleQueue()
        for name in self.names:
            self._free.put(name)

    @contextmanager
    def hold(self) -> Iterator[str]:
        """A device, as --device takes it, that nobody else is given until the block ends; waits for one."""
        name = self._free.get()
        try:
            yield name
        finally:
            self._free.put(name)


def devices(worker: str, device: str = "auto") -> tuple[str, ...]:
    """What `gpus`, or `gpus:0,2`, names, as --device takes it; `device` says through which library: cuda or pycuda.

    Raises `UsageError` for an index that is not there, and for GPUs of two kinds; `ToolMissing` where there is none.
    """
    library = "cuda" if device == "auto" else device
    if library not in ON_GPU:
        raise UsageError(f"--worker {worker} says which GPUs are used, so --device is auto, {' or '.join(ON_GPU)}; given: {device}")
    found = {str(gpu.ordinal): gpu.name for gpu in detect()}
    if not found:
        raise ToolMissing(f"--worker {worker} needs NVIDIA GPUs with their driver, and none was found; see `kernelsearch doctor`")
    there = ", ".join(f"{index} ({name})" for index, name in found.items())
    chosen = list(found) if worker == GPUS else worker.removeprefix(f"{GPUS}:").split(",")
    for index in chosen:
        if index not in found:
            raise UsageError(f"--worker {worker}: there is no GPU {index or '(nothing)'}; those that may be used: {there}")
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"--worker {worker} names a GPU twice")
    if len({found[index] for index in chosen}) > 1:
        raise UsageError(
            f"--worker {worker}: times of two kinds of GPU are not comparable; name those of one kind, such as gpus:0 ({there})"
        )
    return tuple(f"{library}:{index}" for index in chosen)
