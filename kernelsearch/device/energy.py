"""What power a GPU draws while it does one candidate's calls and nothing else, from a window of them one after another.

While pairs are timed two kernels take turns with our own work between, so their power says nothing of either. A window has the calls
alone: on the same buffers, with a warm L2. The driver counts the energy of the whole board and brings the count up to date every 20 to
100 ms, so it is read often, a reading counts where the number has changed, and the time between the first and the last of these is what
the energy is divided by. Calls so short that launching them takes longer leave the board idle in between: then nothing is said.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernelsearch.model.measurement import OWN_POWER

WINDOW_S = 0.6
LEAST_S = 0.2  # between two readings that count
_SETTLE_S = 0.1  # at first, while clocks and voltage follow the load
_ROW_US = 50_000.0  # calls that are asked for at a time: the board is idle between, for some 50 µs
_MOST = 65_535  # that an order can ask for
_BUSY = 0.5  # of the window: less says more of the waiting than of the kernel
_NAME = "power of its own calls"


@dataclass(slots=True)
class Window:
    """`read` gives the energy so far in mJ, None where it cannot be read."""

    read: Callable[[], int | None]
    clock: Callable[[], float]
    seen: list[tuple[float, int]] = field(default_factory=list)  # when the count was seen to change, and to what

    def look(self) -> None:
        energy = self.read()
        if energy is not None and (not self.seen or energy != self.seen[-1][1]):
            self.seen.append((self.clock(), energy))

    def found(self) -> tuple[float, float] | None:
        """mJ and seconds between the first change and the last. What was there at first may have changed long before."""
        if len(self.seen) < 3:
            return None
        (begun, before), (ended, after) = self.seen[1], self.seen[-1]
        return (after - before, ended - begun) if ended - begun >= LEAST_S and after > before else None


def chosen(calls: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> int | None:
    """Of the calls that can be made again on what they left, the one that takes longest."""
    usual = {number: typical_us(records[number]) for number, call in enumerate(calls) if call["again"] and records[number]["pairs"]}
    return max(usual, key=lambda number: usual[number], default=None)


def typical_us(record: Mapping[str, Any]) -> float:
    """What one call takes by its pairs."""
    return float(statistics.median(ours for ours, _ in record["pairs"]))


def taken(
    ask: Callable[[int, Window], bool], read: Callable[[], int | None], call_us: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, float] | None:
    """Have calls made until the window is over: `ask` gets how many, and looks at the window while they run; False ends it.

    None where the energy cannot be read, or the candidate stopped answering.
    """
    if read() is None:
        return None
    count = max(1, min(_MOST, int(_ROW_US / call_us)))
    calls, settled = 0, clock() + _SETTLE_S
    while clock() < settled:
        if not ask(count, Window(read, clock)):
            return None
    window = Window(read, clock)
    begun = clock()
    while (lasted := clock() - begun) < WINDOW_S:
        if not ask(count, window):
            return None
        calls += count
    found = window.found()
    return {"mj": found[0] if found else 0.0, "s": found[1] if found else 0.0, "calls": calls, "lasted_s": lasted}


def conditions(labels: Sequence[str], records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a race found, in words. `labels` of its calls."""
    number = next((number for number, record in enumerate(records) if "energy" in record), None)
    if number is None:
        return {_NAME: "not measured: every timed call works on what it left, so it cannot be made again and again"}
    found = records[number]["energy"]
    if not found:
        return {_NAME: "not measured: the GPU's energy cannot be read"}
    return _window(found, labels[number], typical_us(records[number]))


def _window(record: Mapping[str, Any], label: str, call_us: float) -> dict[str, str]:
    if not record["s"]:
        return {_NAME: f"not measured: the count of energy stood still for {record['lasted_s']:.1f} s"}
    busy = min(1.0, record["calls"] * call_us * 1e-6 / record["lasted_s"])
    if busy < _BUSY:
        return {_NAME: f"not measured: a call of {call_us:.1f} µs is over before the next is launched"}
    return {
        OWN_POWER: f"{record['mj'] / record['s'] / 1e3:.1f}",
        _NAME: f"of the whole board, over {record['s']:.2f} s of {label} again and again with a warm L2, {100 * busy:.0f} % of it calls",
    }
