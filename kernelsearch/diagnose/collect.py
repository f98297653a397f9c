"""Asks a device for counters until it is clear that there are some, or why there are none.

A counter that this GPU or this profiler does not know makes Nsight Compute refuse all of them, so that it is left out and the rest are
asked for again. A profiler that cannot work at all (not installed, no permission) is asked once for each device, one that fails some
other way three times in a row: every attempt costs seconds, or the whole time limit where it hangs. What stays the same is told in full
the first time only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from kernelsearch.device.base import Device, Job, KernelCounters, ProfileResult
from kernelsearch.diagnose.chosen import DURATION, GRID, own
from kernelsearch.model import Task

_ALWAYS = (DURATION, GRID)  # the time picks the kernel, and its grid says whether it can be the candidate's
_UNKNOWN = re.compile(r"[Ff]ailed to find metric (?:regex:)?\^?([\w.]+)")
_HOPELESS = re.compile(r"not installed|ERR_NVGPUCTRPERM")
_PATIENCE = 3  # failures in a row
_ROUNDS = 12  # unknown counters that are left out one by one
_AGAIN = "estimates in place of counters, as before in this run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The candidate's launches, or why there are none."""

    kernels: tuple[KernelCounters, ...] = ()
    missing: str = ""
    report: bytes | None = None
    source_page: str = ""
    unread: str = ""  # why there is no such page, where it was wanted and was not told before


@dataclass(slots=True)
class _Memory:
    """What one device showed so far."""

    unknown: set[str] = field(default_factory=set)
    failures: int = 0
    told: str = ""  # the reason that was given last
    given_up: bool = False
    without_reports: bool = False  # the profiler works, but for those
    unread: str = ""  # what was told last of a report that could not be read


_memories: WeakKeyDictionary[Device, _Memory] = WeakKeyDictionary()
_lock = threading.Lock()


def collect(device: Device, job: Job, task: Task, wanted: Sequence[str]) -> Collected:
    """Counters `wanted` of the job's one call, of the candidate's kernels alone; with a report where the job has its source."""
    with _lock:
        memory = _memories.setdefault(device, _Memory())
        if memory.given_up:
            return Collected(missing=_AGAIN)
    result = _asked(device, job, wanted, memory)
    kernels = own(result.kernels, job.build, task, job.calls[0])
    why = _why_not(result, kernels, [name for name in wanted if name not in memory.unknown])
    with _lock:
        if not why:
            memory.failures = 0
            unread, memory.unread = "" if result.unread == memory.unread else result.unread, result.unread or memory.unread
            return Collected(kernels=kernels, report=result.report, source_page=result.source_page, unread=unread)
        memory.failures += 1
        memory.given_up = bool(_HOPELESS.search(why)) or memory.failures >= _PATIENCE
        told, memory.told = memory.told, why
    return Collected(missing=_AGAIN if told == why else f"estimates in place of counters: {why}")


def _asked(device: Device, job: Job, wanted: Sequence[str], memory: _Memory) -> ProfileResult:
    """The device's answer for those of the counters that it knows. A report that spoils all else is asked for no more."""
    if job.source and memory.without_reports:
        job = replace(job, source="")
    result = _known(device, job, wanted, memory)
    if result.kernels or not job.source or _HOPELESS.search(result.missing):
        return result
    plain = _known(device, replace(job, source=""), wanted, memory)
    if not plain.kernels:
        return plain
    with _lock:
        memory.without_reports = True
    return replace(plain, unread=f"no hot lines: with a report there were no counters ({result.missing[:200]})")


def _known(device: Device, job: Job, wanted: Sequence[str], memory: _Memory) -> ProfileResult:
    result = ProfileResult(missing="no counter is known to this device")
    for _ in range(_ROUNDS):
        known = [name for name in dict.fromkeys((*_ALWAYS, *wanted)) if name not in memory.unknown]
        result = device.profile(job, known)
        unknown = [name for name in _UNKNOWN.findall(result.missing) if name in known]
        if result.kernels or not unknown:
            break
        with _lock:
            memory.unknown.update(unknown)
    return result


def _why_not(result: ProfileResult, kernels: Sequence[KernelCounters], wanted: Sequence[str]) -> str:
    """Why the answer cannot be used; empty when it can."""
    if not result.kernels:
        return result.missing or "no counters came back"
    if not kernels:
        seen = ", ".join(dict.fromkeys(launch.kernel.split("(")[0] for launch in result.kernels))
        return f"the profile is of other kernels ({seen[:200]}) and is not used"
    measured = [name for name in wanted if not name.startswith("launch__") and name != DURATION]
    if measured and not any(name in launch.metrics for launch in kernels for name in measured):
        return "the profiler gave no numbers (n/a or NaN)"
    return ""
