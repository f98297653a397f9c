"""The GPUs of this machine by name: which of them a run is to use, and one at a time for those who want one each."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from kernelsearch.device import ON_GPU
from kernelsearch.device.inventory import detect
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.model.run import GPUS


class Gpus:
    """Hands out the devices called `names`, as --device takes them, each to `at_once` holders at a time. Thread-safe."""

    def __init__(self, names: Sequence[str], at_once: int = 1) -> None:
        if not names:
            raise ValueError("there must be one GPU at least")
        self._at_once = at_once
        self._held = dict.fromkeys(names, 0)
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Devices that are fit, whether held or free."""
        with self._lock:
            return len(self._held)

    def acquire(self, job: object = None) -> str | None:
        """The device that fewest hold, for whatever `job` is; None for now, or when all are lost."""
        with self._lock:
            name = min(self._held, key=self._held.__getitem__, default=None)
            if name is None or self._held[name] >= self._at_once:
                return None
            self._held[name] += 1
            return name

    def release(self, device: str, *, lost: bool = False) -> None:
        """Give back what `acquire` gave. `lost`: it is not fit any more, and is given to nobody else."""
        with self._lock:
            if lost:
                self._held.pop(device, None)
            elif device in self._held:
                self._held[device] -= 1


def devices(worker: str, device: str = "auto", *, said: str = "") -> tuple[str, ...]:
    """What `gpus`, or `gpus:0,2`, names, as --device takes it; `device` says through which library: cuda or pycuda; `said` is
    the option as it was given, where that is not --worker.

    Raises `UsageError` for an index that is not there, and for GPUs of two kinds; `ToolMissing` where there is none.
    """
    said = said or f"--worker {worker}"
    library = "cuda" if device == "auto" else device
    if library not in ON_GPU:
        raise UsageError(f"{said} says which GPUs are used, so --device is auto, {' or '.join(ON_GPU)}; given: {device}")
    found = {str(gpu.ordinal): gpu.name for gpu in detect()}
    if not found:
        raise ToolMissing(f"{said} needs NVIDIA GPUs with their driver, and none was found; see `kernelsearch doctor`")
    there = ", ".join(f"{index} ({name})" for index, name in found.items())
    chosen = list(found) if worker == GPUS else worker.removeprefix(f"{GPUS}:").split(",")
    for index in chosen:
        if index not in found:
            raise UsageError(f"{said}: there is no GPU {index or '(nothing)'}; those that may be used: {there}")
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"{said} names a GPU twice")
    if len({found[index] for index in chosen}) > 1:
        raise UsageError(f"{said}: times of two kinds of GPU are not comparable; name those of one kind, such as gpus:0 ({there})")
    return tuple(f"{library}:{index}" for index in chosen)
