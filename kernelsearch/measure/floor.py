"""The time below which no kernel can do the work: a candidate that is faster did not do it."""

from __future__ import annotations

from kernelsearch.model import Case, DType, Hardware, Measurement, Task

# Half of the bytes may stay in L2 (outputs are written back later), and datasheet peaks are exceeded by a few per cent at best.
SLACK = 0.45


def floor_us(task: Task, case: Case, hardware: Hardware) -> float | None:
    """Speed of light in µs: the larger of bytes over DRAM bandwidth and flops over the arithmetic peak. None without cost formulae.

    A task that still lists assumptions is a draft: its flops are those of the source, which a better algorithm may not need, so they
    do not count. Outputs that stay in L2 can beat the time for the bytes; `implausible` allows for that.
    """
    values = task.values(case)
    parts = []
    if task.cost.bytes is not None:
        parts.append(task.cost.bytes.evaluate(values) / hardware.dram_bytes_per_s * 1e6)
    if task.cost.flops is not None and not task.assumptions:
        parts.append(task.cost.flops.evaluate(values) / _fastest_flops(task, hardware) * 1e6)
    return max(parts) if parts else None


def implausible(measurement: Measurement, task: Task, hardware: Hardware) -> str | None:
    """Why the measurement cannot be true, in one sentence; None when it can be."""
    for case in task.timed_cases:
        floor = floor_us(task, case, hardware)
        median = measurement.median_us(case.name)
        if floor is not None and median < SLACK * floor:
            return (
                f"case {case.name}: {median:.2f} µs, but {hardware.name} needs at least {SLACK * floor:.2f} µs for the task's "
                f"bytes and operations"
            )
    return None


def _fastest_flops(task: Task, hardware: Hardware) -> float:
    """FLOP/s of the fastest unit that takes any of the inputs: a matrix of halves may come with a bias in f32.

    TF32 counts for f32, as a tolerance given by hand may allow it: whether precision was lost is for the verifier to say.
    """
    types = {arg.dtype for arg in task.inputs}
    rates = [hardware.peak_flops(dtype) for dtype in types]
    if DType.F32 in types:
        rates.append(hardware.tensor_flops.get("tf32", 0.0))
    return max(rates, default=hardware.fp32_flops)
