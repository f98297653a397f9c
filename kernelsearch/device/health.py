"""Whether a GPU is still fit to judge kernels, decided after every crash and time-out from a probe and from what NVML tells.

A probe is a copy in a fresh box, by a program of ours: its result must be right and its bandwidth near that at the start. A GPU found
sick ends the run (`DeviceLost`) with everything kept; it is better to stop than to blame the candidates that come after.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kernelsearch.device import nvml

_SLOW = 0.7  # of the bandwidth at the start: a GPU that only clocks down copies faster than that
_SPARE_BYTES = 2 << 30  # warm boxes come and go, each with a context of a few hundred MiB
_SPARE_SHARE = 1 / 8  # of all memory
# Bits of nvmlClocksEventReason* under which a GPU may be slow and well: hardware slowdown, thermal (software, hardware), power brake.
_HELD_BACK = 0x8 | 0x20 | 0x40 | 0x80


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One look at a GPU: what the probe found, and what NVML told just after it."""

    ok: bool  # the probe ended, and its copy was right
    bytes_per_s: float  # 0 when it did not end
    reading: nvml.Reading = nvml.Reading()
    strangers: tuple[nvml.Process, ...] = ()

    @property
    def memory_of_others(self) -> int | None:
        """Bytes in use that no process of ours is known to hold."""
        if self.reading.memory_used is None:
            return None
        others = {process.pid for process in self.strangers}
        ours = sum(process.memory or 0 for process in self.reading.processes or () if process.pid not in others)
        return max(0, self.reading.memory_used - ours)


def look(uuid: str, *, ok: bool, bytes_per_s: float, own_pids: Collection[int]) -> Health:
    """The health of the GPU now. `own_pids` and what descends from them is ours."""
    reading = nvml.reading(uuid)
    return Health(ok=ok, bytes_per_s=bytes_per_s, reading=reading, strangers=nvml.strangers(uuid, reading, own_pids))


def sick(before: Health, now: Health) -> str | None:
    """Why the GPU may not be trusted any more, as one sentence with its remedy; None when it is as well as at the start."""
    return _broken(before, now) or _occupied(before, now) or _slow(before, now)


def _broken(before: Health, now: Health) -> str | None:
    if now.reading.lost:
        return f"{now.reading.lost}; see dmesg for the Xid, and `nvidia-smi -r` or a reboot"
    if not now.ok:
        return "a copy of ours on the GPU did not end or came out wrong; see dmesg for the Xid, and `nvidia-smi -r` or a reboot"
    old, new = before.reading.ecc_uncorrected, now.reading.ecc_uncorrected
    if old is not None and new is not None and new > old:
        return f"the GPU's memory had {new - old} uncorrected errors since the start; reset it, and replace it if they go on"
    if now.reading.rows_failed and not before.reading.rows_failed:
        return "a row of the GPU's memory went bad since the start; reset the GPU, and replace it if that fails"
    return None


def _occupied(before: Health, now: Health) -> str | None:
    known = {process.pid for process in before.strangers}
    new = [process for process in now.strangers if process.pid not in known]
    if new:
        names = " and ".join(str(process) for process in new)
        return f"{names} came to use this GPU; run alone on it, or choose another with --device cuda:N"
    old, used, total = before.memory_of_others, now.memory_of_others, now.reading.memory_total
    if old is not None and used is not None and used - old > max(_SPARE_BYTES, (total or 0) * _SPARE_SHARE):
        return f"{(used - old) >> 20:,} MiB more of the GPU's memory are in use than at the start, and not by us; free them"
    return None


def _slow(before: Health, now: Health) -> str | None:
    if now.bytes_per_s >= _SLOW * before.bytes_per_s:
        return None
    share = f"{now.bytes_per_s / before.bytes_per_s:.0%}"
    held = bool((now.reading.event_reasons or 0) & _HELD_BACK)
    cause = "it is held back by heat or power; cool it, or wait" if held else "see dmesg for the Xid, and who else uses it"
    return f"the GPU copies at {share} of its bandwidth at the start: {cause}"
