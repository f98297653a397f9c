"""How near a timed case comes to what the hardware could do, from the task's own cost formulae. Pure.

The ideal reads every input once and writes every output once at the DRAM's peak, or does every operation at the fp32 peak (at that of
the tensor cores for 16-bit inputs, whose products they can form), whichever takes longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelsearch.model import Case, Hardware, Task

# A derived figure that travels among the counters, so that a reward can be computed again from the record alone.
SPEED_OF_LIGHT = "derived__speed_of_light.pct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """`ideal_us` is the larger of the two times; `bound` says which: "DRAM" or "arithmetic". `bytes` and `flops` as the task has them."""

    ideal_us: float
    bound: str
    bytes: float | None = None
    flops: float | None = None

    def percent(self, time_us: float) -> float:
        """Speed of light: the ideal time in percent of the real one."""
        return 100.0 * self.ideal_us / time_us


def roofline(task: Task, case: Case, hardware: Hardware) -> Roofline | None:
    """The ideal of `case`; None when the task has no cost formula."""
    values = task.values(case)
    moved = None if task.cost.bytes is None else float(task.cost.bytes.evaluate(values))
    done = None if task.cost.flops is None else float(task.cost.flops.evaluate(values))
    times = []
    if moved is not None:
        times.append((moved / hardware.dram_bytes_per_s * 1e6, "DRAM"))
    if done is not None:
        times.append((done / peak_flops(task, hardware) * 1e6, "arithmetic"))
    if not times:
        return None
    ideal, bound = max(times)
    return Roofline(ideal_us=ideal, bound=bound, bytes=moved, flops=done)


def peak_flops(task: Task, hardware: Hardware) -> float:
    """The arithmetic peak in FLOP/s: that of the slowest float type among the task's inputs, as operations mix them."""
    return min((hardware.peak_flops(arg.dtype) for arg in task.inputs if arg.dtype.is_float), default=hardware.fp32_flops)
