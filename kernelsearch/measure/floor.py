"""The time below which no kernel can do the work: a candidate that is faster did not do it.

Which peak is used for what, so that no floor is too high:

- DRAM: the larger of datasheet and measured copy bandwidth; a copy reaches 90 to 95 % of what the memory can do.
- Arithmetic: for each type the larger of datasheet and measured rate, of the fastest unit that takes any of the inputs. Tensor rates
  are measured through mma.sync; warpgroup instructions reach more, so a higher figure of the datasheet stays in force.
- Launch: only as measured, the shortest time of a kernel with one store. A profile's figure is typical and no bound, so an
  uncalibrated GPU has no launch floor.
- L2 and shared memory: no floor. What a task must move through them depends on the kernel.

Two lines are drawn. Below `SLACK` of the floor a time is impossible. Between that and the speed of light it needs a second look,
on another GPU or in another process: clocks above the datasheet's, or a trick.
"""

from __future__ import annotations

import math

from kernelsearch.model import Case, DType, Hardware, Measurement, Task

# Half of the bytes may stay in L2 (outputs are written back later), and datasheet peaks are exceeded by a few per cent at best.
SLACK = 0.45
EXCESS = 10.0  # times as fast as the incumbent: of one step that is more often a trick than an idea


def floor_us(task: Task, case: Case, hardware: Hardware) -> float | None:
    """Speed of light in µs: the larger of bytes over DRAM bandwidth and flops over the arithmetic peak, and no less than a launch.

    None without cost formulae and calibration. A task that still lists assumptions is a draft: its flops are those of the source,
    which a better algorithm may not need, so they do not count. Outputs that stay in L2 can beat the time for the bytes; `implausible`
    and `quarantine` allow for that.
    """
    return _longest(task, case, hardware, kept_bytes=0.0)


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


def quarantine(measurement: Measurement, task: Task, hardware: Hardware, *, speedup: float = 1.0) -> str | None:
    """Why a time that is not impossible must be measured again elsewhere before it counts, in one sentence; None when it need not.

    It is faster than the speed of light, with what can stay in L2 taken off the bytes, or more than `EXCESS` times as fast as the
    incumbent (`speedup`).
    """
    for case in task.timed_cases:
        light = _longest(task, case, hardware, kept_bytes=_kept_bytes(task, case, hardware, cold=measurement.cache == "flushed"))
        median = measurement.median_us(case.name)
        if light is not None and median < light:
            return f"case {case.name}: {median:.2f} µs is faster than the speed of light on {hardware.name}, {light:.2f} µs"
    if speedup > EXCESS:
        return f"{speedup:.1f} times as fast as the incumbent; more than {EXCESS:.0f} times is not believed from one measurement"
    return None


def _longest(task: Task, case: Case, hardware: Hardware, *, kept_bytes: float) -> float | None:
    """The longest of what a call must do, each alone; `kept_bytes` need not pass through DRAM while it is timed."""
    values = task.values(case)
    parts = []
    if task.cost.bytes is not None:
        moved = max(0.0, task.cost.bytes.evaluate(values) - kept_bytes)
        parts.append(moved / hardware.fastest("dram_bytes_per_s") * 1e6)
    if task.cost.flops is not None and not task.assumptions:
        parts.append(task.cost.flops.evaluate(values) / _fastest_flops(task, hardware) * 1e6)
    if "launch_us" in hardware.measured:
        parts.append(hardware.measured["launch_us"])
    return max(parts) if parts else None


def _kept_bytes(task: Task, case: Case, hardware: Hardware, *, cold: bool) -> float:
    """What L2 can hold: outputs until after the call, and inputs from before it unless it was flushed."""
    tensors = task.outputs if cold else [arg for arg in task.args if arg.is_tensor]
    return float(min(hardware.l2_bytes, sum(math.prod(task.shape(arg, case)) * arg.dtype.size for arg in tensors)))


def _fastest_flops(task: Task, hardware: Hardware) -> float:
    """FLOP/s of the fastest unit that takes any of the inputs: a matrix of halves may come with a bias in f32.

    TF32 counts for f32, as a tolerance given by hand may allow it: whether precision was lost is for the verifier to say.
    """
    rates = [rate for dtype in {arg.dtype for arg in task.inputs} for rate in _units(dtype)]
    return max(hardware.fastest(rate) for rate in rates or ["fp32_flops"])


def _units(dtype: DType) -> tuple[str, ...]:
    """The rates of the units that take operands of this type."""
    if dtype is DType.F64:
        return "fp64_flops", "tensor_flops.f64"
    return ("fp32_flops", f"tensor_flops.{dtype.value}", *(("tensor_flops.tf32",) if dtype is DType.F32 else ()))
