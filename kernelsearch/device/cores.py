"""Which CPU cores the processes around a timed call have for themselves.

The work of ours around a call is partly the host's: two boxes of which one shares its core's units with a compiler differ by some hundred
µs a call, and that would look like time which a candidate did not claim. So on a machine of many CPUs one physical core is kept free of
whatever else we start; the box that is asked, and the clock, run there by turns.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

_LEAST_CPUS = 8  # on fewer, the builds need them all
_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Cores:
    """Numbers of CPUs: `boxes` for whichever box is asked, `clock` for the timekeeper."""

    boxes: int
    clock: int


def choose(ordinal: int) -> Cores | None:
    """For the GPU `ordinal`, which shares them with no other GPU's; None where there are too few."""
    usable = os.sched_getaffinity(0)
    return among(usable, {cpu: _siblings(cpu) for cpu in usable}, ordinal)


def among(usable: Collection[int], siblings: Mapping[int, Collection[int]], ordinal: int) -> Cores | None:
    """Two CPUs of one physical core where cores have two, else two cores; counted from the last, since interrupts prefer the first."""
    if len(usable) < _LEAST_CPUS * (ordinal + 1):
        return None
    cores = sorted({tuple(sorted(cpu for cpu in siblings[one] if cpu in usable)) for one in usable})
    pairs = [core for core in cores if len(core) > 1] or list(zip(sorted(usable)[::2], sorted(usable)[1::2], strict=False))
    if len(pairs) <= ordinal:
        return None
    first, second, *_ = pairs[-1 - ordinal]
    return Cores(boxes=first, clock=second)


def _siblings(cpu: int) -> frozenset[int]:
    """CPUs of the same physical core, this one included; itself alone where the machine does not tell."""
    try:
        text = (_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
        return frozenset(cpu for part in text.strip().split(",") for cpu in _range(part)) | {cpu}
    except (OSError, ValueError):
        return frozenset({cpu})


def _range(part: str) -> range:
    low, _, high = part.partition("-")
    return range(int(low), int(high or low) + 1)
