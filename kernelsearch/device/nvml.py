"""What state a GPU is in, read from outside the box and without a CUDA context.

pynvml's only door in this package. Without it states are not recorded. Which GPUs there are tells `inventory`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from kernelsearch.device import kin

# Bits of nvmlDeviceGetCurrentClocksEventReasons (nvml.h, nvmlClocksEventReason*) that slow a kernel down.
_THROTTLE = {0x4: "power cap", 0x8: "hardware slowdown", 0x20: "thermal (software)", 0x40: "thermal (hardware)", 0x80: "power brake"}
_HELD_DOWN = 0x8 | 0x20 | 0x40 | 0x80

# Return codes after which a GPU does nothing more until somebody acts (nvml.h, nvmlReturn_enum).
_LOST = {15: "the driver has lost the GPU (it fell off the bus, or is shut down)", 16: "the GPU must be reset before it can be used again"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process with a compute context on a GPU; `memory` in bytes, None where the driver does not tell."""

    pid: int
    name: str
    memory: int | None = None

    def __str__(self) -> str:
        size = "" if self.memory is None else f", {self.memory >> 20:,} MiB"
        return f"process {self.pid} ({self.name}{size})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What NVML tells of a GPU's health at a moment. None is "not reported": no board reports everything."""

    memory_used: int | None = None  # bytes, of all processes
    memory_total: int | None = None
    ecc_uncorrected: int | None = None  # since the driver was loaded
    event_reasons: int | None = None  # bits of nvmlClocksEventReason*
    sm_clock_mhz: int | None = None
    rows_failed: bool | None = None  # a memory row went bad and could not be replaced, or waits for a reset to be
    processes: tuple[Process, ...] | None = None
    lost: str = ""  # why the GPU cannot be used any more


# What is not watched when the field of a `Reading` is None.
_WATCHED = {
    "memory_used": "memory in use",
    "ecc_uncorrected": "uncorrected memory errors",
    "event_reasons": "throttling",
    "sm_clock_mhz": "the SM clock",
    "processes": "other processes on the GPU",
}


def state(uuid: str) -> dict[str, str]:
    """Clocks (MHz), power (W), temperature (°C) and throttle reasons at this moment; what cannot be read is left out."""
    nvml = library()
    if nvml is None:
        return {}
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
    except nvml.NVMLError:
        return {}
    readings: dict[str, Callable[[], object]] = {
        "sm clock MHz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "memory clock MHz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "power W": lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        "temperature °C": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "throttled": lambda: _reasons(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)),
    }
    found = {}
    for name, read in readings.items():
        try:
            found[name] = str(read())
        except nvml.NVMLError:
            continue  # not every board reports everything
    return found


class Watch:
    """Reads, between two timed calls, whether clocks are held down. Cheap: two readings of the driver."""

    def __init__(self, nvml: ModuleType, handle: object) -> None:
        self._nvml, self._handle = nvml, handle
        self._clocks: list[int] = []

    def held_down(self) -> bool:
        """Whether heat, a brake or a failing supply holds clocks down now. A power cap does not count: it is how a GPU works under load."""
        nvml = self._nvml
        try:
            bits = int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle))
            self._clocks.append(int(nvml.nvmlDeviceGetClockInfo(self._handle, nvml.NVML_CLOCK_SM)))
        except nvml.NVMLError:
            return False
        return bool(bits & _HELD_DOWN)

    def energy_mj(self) -> int | None:
        """What the board has taken since the driver was loaded, in mJ; None where it does not count that (before Volta)."""
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._nvml.NVMLError:
            return None

    def clocks(self) -> list[int]:
        """The lowest and the highest SM clock (MHz) since this was asked last; empty when it cannot be read."""
        found = [min(self._clocks), max(self._clocks)] if self._clocks else []
        self._clocks.clear()
        return found


def watch(uuid: str) -> Watch | None:
    """A watch on one GPU; None where NVML is not there."""
    nvml = library()
    if nvml is None:
        return None
    try:
        return Watch(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid))
    except nvml.NVMLError:
        return None


def reading(uuid: str) -> Reading:
    """The health of a GPU at this moment, as far as NVML tells; never raises."""
    nvml = library()
    if nvml is None:
        return Reading()
    found: dict[str, object] = {}
    lost = ""
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
    except nvml.NVMLError as error:
        return Reading(lost=_LOST.get(error.value, ""))
    for name, read in _readings(nvml, handle).items():
        try:
            found[name] = read()
        except nvml.NVMLError as error:
            lost = lost or _LOST.get(error.value, "")
    return Reading(**found, lost=lost)  # type: ignore[arg-type]


def strangers(uuid: str, found: Reading, own_pids: Collection[int]) -> tuple[Process, ...]:
    """The processes on the GPU that are neither in `own_pids` nor descend from one of them, nor take turns with us as boxes of another lab.

    A process that this machine's /proc does not know runs outside our container, or is one of ours seen from outside: not counted.
    """
    others = (process for process in found.processes or () if not _descends(process.pid, own_pids))
    return tuple(process for process in others if not kin.takes_turns(process.pid, uuid))


def foreign(uuid: str, own_pids: Collection[int]) -> tuple[str, ...]:
    """A sentence for each process that uses the GPU beside us."""
    return tuple(f"{process} uses this GPU too, so times may be wrong" for process in strangers(uuid, reading(uuid), own_pids))


def missing(uuid: str) -> tuple[str, ...]:
    """A sentence for each thing about this GPU that cannot be watched here."""
    if library() is None:
        return ("clocks, power, throttling and other processes are not watched: NVML is not there (pip install nvidia-ml-py)",)
    found = reading(uuid)
    return tuple(f"{what}: not watched, this GPU does not report it" for name, what in _WATCHED.items() if getattr(found, name) is None)


def around(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Two states as one: "1980" where nothing changed, "345 -> 1980" where it did. Says so when nothing could be read."""
    if not before and not after:
        return {"state": "not recorded: NVML is not there (pip install nvidia-ml-py)"}
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name, "?"), after.get(name, "?")) for name in names}
    return {name: old if old == new else f"{old} -> {new}" for name, (old, new) in pairs.items()}


def library() -> ModuleType | None:
    """pynvml, ready; None where it or a driver is missing."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()  # counted; again and again is harmless
    except pynvml.NVMLError:
        return None
    module: ModuleType = pynvml
    return module


def _readings(nvml: ModuleType, handle: object) -> dict[str, Callable[[], object]]:
    """How to read each field of a `Reading`."""
    uncorrected = (nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC)
    return {
        "memory_used": lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).used),
        "memory_total": lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        "ecc_uncorrected": lambda: int(nvml.nvmlDeviceGetTotalEccErrors(handle, *uncorrected)),
        "event_reasons": lambda: int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)),
        "sm_clock_mhz": lambda: int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "rows_failed": lambda: any(nvml.nvmlDeviceGetRemappedRows(handle)[2:4]),
        "processes": lambda: tuple(_process(each) for each in nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
    }


def _process(entry: object) -> Process:
    pid, memory = int(getattr(entry, "pid", 0)), getattr(entry, "usedGpuMemory", None)
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = "?"
    return Process(pid=pid, name=name, memory=None if memory is None else int(memory))


def _descends(pid: int, own_pids: Collection[int]) -> bool:
    """Whether `pid` is in `own_pids`, below one of them, or unknown here."""
    seen: set[int] = set()
    while pid > 1 and pid not in seen:
        if pid in own_pids:
            return True
        seen.add(pid)
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return len(seen) == 1  # an unknown process; one whose parent has ended meanwhile is known, and not ours
        parent = re.search(r"^PPid:\s*(\d+)", status, re.MULTILINE)
        pid = int(parent[1]) if parent else 0
    return pid in own_pids


def _reasons(bits: int) -> str:
    return ", ".join(name for bit, name in _THROTTLE.items() if bits & bit) or "no"
