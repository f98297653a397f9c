"""The time below which no kernel can do the work: a candidate that is faster did not do it."""

from __future__ import annotations

from kernelsearch.model import Case, Hardware, Measurement, Task

# Half of the bytes may stay in L2 (outputs are written back later), and datasheet peaks are exceeded by a few per cent at best.
SLACK = 0.45


def floor_us(task: Task, case: Case, hardware: Hardware) -> float | None:
    """Speed of light in µs: the larger of bytes over DRAM bandwidth and flops over fp32 peak. None without cost formulae.

    An ideal, not a bound: outputs that stay in L2 and tensor cores can beat it; `implausible` allows for the former.
    """
    values = task.values(case)
    parts = []
    if task.cost.bytes is not None:
        parts.append(task.cost.bytes.evaluate(values) / hardware.dram_bytes_per_s * 1e6)
    if task.cost.flops is not None:
        parts.append(task.cost.flops.evaluate(values) / _peak_flops(hardware) * 1e6)
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


def _peak_flops(hardware: Hardware) -> float:
    return max(hardware.fp32_flops, *hardware.tensor_flops.values()) if hardware.tensor_flops else hardware.fp32_flops
