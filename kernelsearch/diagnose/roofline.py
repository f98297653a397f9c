"""How near a timed case comes to what the hardware could do, from the task's own cost formulae. Pure.

The ideal reads every input once and writes every output once at the DRAM's peak, or does every operation at the fp32 peak (at that of
the tensor cores for 16-bit inputs, whose products they can form), whichever takes longer. A peak is the larger of what is stated and what
was measured on the GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kernelsearch.model import Case, DType, Hardware, Task

# A derived figure that travels among the counters, so that a reward can be computed again from the record alone.
SPEED_OF_LIGHT = "derived__speed_of_light.pct"
FLOOR = "derived__floor_us."  # with a case's name behind it: its ideal, where a task has several timed cases
_LEAST_SUM = 16  # products in one sum from which on tensor cores pay: the depth of their smallest 16-bit tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """`ideal_us` is the larger of the two times; `bound` says which: "DRAM" or "arithmetic". `bytes` and `flops` as the task has them.

    `peak_flops`: the arithmetic peak in FLOP/s. `ridge`: operations a byte at which both take equally long. `matrix_gain`: how many
    times as long the ideal would be on the plain pipes, for sums of products that tensor cores take; None for other work.
    """

    ideal_us: float
    bound: str
    bytes: float | None = None
    flops: float | None = None
    peak_flops: float
    ridge: float
    matrix_gain: float | None = None

    def percent(self, time_us: float) -> float:
        """Speed of light: the ideal time in percent of the real one."""
        return 100.0 * self.ideal_us / time_us

    @property
    def intensity(self) -> float | None:
        """Operations a byte."""
        return None if self.flops is None or not self.bytes else self.flops / self.bytes

    @property
    def position(self) -> str:
        """Which side of the ridge the task lies on, in words; empty where the task does not tell both bytes and operations."""
        if self.intensity is None:
            return ""
        return f"{self.bound} side: {self.intensity:.3g} FLOP/byte, ridge at {self.ridge:.3g}"


def roofline(task: Task, case: Case, hardware: Hardware) -> Roofline | None:
    """The ideal of `case`; None when the task has no cost formula."""
    values = task.values(case)
    moved = None if task.cost.bytes is None else float(task.cost.bytes.evaluate(values))
    done = None if task.cost.flops is None else float(task.cost.flops.evaluate(values))
    bandwidth, peak = hardware.fastest("dram_bytes_per_s"), peak_flops(task, hardware)
    times = []
    if moved is not None:
        times.append((moved / bandwidth * 1e6, "DRAM"))
    if done is not None:
        times.append((done / peak * 1e6, "arithmetic"))
    if not times:
        return None
    ideal, bound = max(times)
    plain, gain = plain_flops(slowest_type(task, hardware), hardware), None
    if done is not None and ideal > 0 and peak > plain and _sums_products(task, case, done):
        gain = max(0.0 if moved is None else moved / bandwidth * 1e6, done / plain * 1e6) / ideal
    return Roofline(ideal_us=ideal, bound=bound, bytes=moved, flops=done, peak_flops=peak, ridge=peak / bandwidth, matrix_gain=gain)


def peak_flops(task: Task, hardware: Hardware) -> float:
    """The arithmetic peak in FLOP/s: that of the slowest float type among the task's inputs, as operations mix them."""
    return _peak(slowest_type(task, hardware), hardware)


def plain_flops(dtype: DType | None, hardware: Hardware) -> float:
    """Without tensor cores; 16-bit products are added up in float32 there."""
    return hardware.fastest("fp64_flops" if dtype is DType.F64 else "fp32_flops")


def slowest_type(task: Task, hardware: Hardware) -> DType | None:
    """The float type among the inputs with the lowest peak; None without one."""
    return min((arg.dtype for arg in task.inputs if arg.dtype.is_float), key=lambda dtype: _peak(dtype, hardware), default=None)


def _peak(dtype: DType | None, hardware: Hardware) -> float:
    return max(plain_flops(dtype, hardware), 0.0 if dtype is None else hardware.fastest(f"tensor_flops.{dtype.value}"))


def _sums_products(task: Task, case: Case, flops: float) -> bool:
    """Whether the work is that of products of matrices: for each output a long sum, whose every element is one multiply-add."""
    length = float(task.tolerance.reduction.evaluate(task.values(case)))
    outputs = sum(math.prod(task.shape(arg, case)) for arg in task.outputs)
    return length >= _LEAST_SUM and flops >= 1.9 * length * outputs
