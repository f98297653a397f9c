"""What is known of one kernel, as the named figures that conditions of the playbook read.

Names are: a feature of the source; a short name of a counter; a counter's own name as Nsight Compute spells it; `fact.NAME` for a fact
of the profile, `share.RESOURCE` for the use of a resource in percent, `bound.RESOURCE` for the bottleneck; the task's and the hardware's
figures. What is not known is left out, and a condition on it is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kernelsearch.errors import UsageError
from kernelsearch.model import Bottleneck, DType, Evaluation, Form, Hardware, Profile, Resource, Task
from kernelsearch.playbook.features import FEATURES, features

# Short names of counters, each with the names it may have; the first that was collected counts.
COUNTERS: Mapping[str, tuple[str, ...]] = {
    "dram_pct": ("dram__throughput.avg.pct_of_peak_sustained_elapsed", "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed"),
    "l2_pct": ("lts__throughput.avg.pct_of_peak_sustained_elapsed", "lts__throughput.avg.pct_of_peak_sustained_active"),
    "l1_pct": ("l1tex__throughput.avg.pct_of_peak_sustained_elapsed", "l1tex__throughput.avg.pct_of_peak_sustained_active"),
    "sm_pct": ("sm__throughput.avg.pct_of_peak_sustained_elapsed",),
    "issue_pct": ("smsp__issue_active.avg.pct_of_peak_sustained_active",),
    "tensor_pct": ("sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active",),
    "occupancy_pct": ("sm__warps_active.avg.pct_of_peak_sustained_active",),
    "l1_hit_pct": ("l1tex__t_sector_hit_rate.pct",),
    "l2_hit_pct": ("lts__t_sector_hit_rate.pct",),
    "registers": ("launch__registers_per_thread",),
    "block_threads": ("launch__block_size",),
    "grid_blocks": ("launch__grid_size",),
    "waves": ("launch__waves_per_multiprocessor",),
    "stall_barrier": (
        "smsp__warp_issue_stalled_barrier_per_warp_active.pct",
        "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio",
    ),
    "stall_memory": (
        "smsp__warp_issue_stalled_long_scoreboard_per_warp_active.pct",
        "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio",
    ),
    "uniform_branches_pct": ("smsp__sass_average_branch_targets_threads_uniform.pct",),
    "active_lanes": ("smsp__thread_inst_executed_per_inst_executed.ratio",),
    "speed_of_light": ("derived__speed_of_light.pct",),
}
# Quotients of counters: part, whole, and what the quotient is multiplied with.
_RATIOS: Mapping[str, tuple[str, str, float]] = {
    "load_sectors": ("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", 1.0),
    "store_sectors": ("l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", 1.0),
    "conflict_pct": ("l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum", "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum", 100.0),
}
OTHERS: Mapping[str, str] = {
    **{name: f"{part} over {whole}" for name, (part, whole, _) in _RATIOS.items()},
    "dram_excess": "bytes through DRAM over those that the task must move",
    "spilled_bytes": "bytes a thread that the compiler spilled",
    "time_us": "time of a call",
    "task_bytes": "bytes that the largest timed case must move",
    "task_flops": "floating-point operations of the largest timed case",
    "intensity": "operations a byte of the largest timed case",
    "half_inputs": "an input has a float type of 16 bits or fewer",
    "double_inputs": "an input or output is double",
    "fast_math": "the task allows fast arithmetic",
    "own_launches": "the candidate launches its kernels itself, so that it may change how",
    "timed_cases": "timed cases",
    "arch": "compute capability times 10: 90 for sm_90",
    "sm_count": "multiprocessors",
    "l2_bytes": "size of the L2 cache",
    "launch_us": "time of an empty launch",
    "balance": "operations a byte from which the hardware is bound by fp32 arithmetic",
    "tensor_ratio": "peak of the tensor cores for the inputs' type over the fp32 peak; 0 where they do not take that type",
}
_COUNTER = re.compile(r"[a-z]\w*__\w+(?:\.\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One kernel as the playbook sees it. `shares`: percent of its ceiling that a resource is used to. `arch` 0: not known."""

    values: Mapping[str, float] = field(default_factory=dict)
    bottleneck: Bottleneck | None = None
    shares: Mapping[Resource, float] = field(default_factory=dict)
    arch: int = 0

    @property
    def resource(self) -> Resource | None:
        return None if self.bottleneck is None else self.bottleneck.resource


def situation(source: str, evaluation: Evaluation | None, task: Task | None, hardware: Hardware | None) -> Situation:
    """All that is known of a kernel; whatever is None is not."""
    profile = None if evaluation is None else evaluation.profile
    values: dict[str, float] = {} if task is not None and task.form is Form.TORCH else dict(features(source))
    values |= _of_evaluation(evaluation) | _of_profile(profile) | _of_task(task) | _of_hardware(hardware, task)
    return Situation(
        values={name: value for name, value in values.items() if math.isfinite(value)},
        bottleneck=None if profile is None else profile.bottleneck,
        shares={} if profile is None else {r: profile.shares[r.value] for r in Resource if r.value in profile.shares},
        arch=0 if hardware is None else capability(hardware),
    )


def check_names(names: Iterable[str]) -> None:
    """Raise `UsageError` for a name that no situation can ever have a value for."""
    for name in names:
        group, _, rest = name.partition(".")
        known = name in FEATURES or name in COUNTERS or name in OTHERS or _COUNTER.fullmatch(name)
        if known or (group == "fact" and rest) or (group in ("share", "bound") and rest in _RESOURCES):
            continue
        hint = f"{group}. takes one of {', '.join(_RESOURCES)}" if group in ("share", "bound") else "`situation.py` lists the known"
        raise UsageError(f"unknown name {name!r}; {hint}")


def capability(hardware: Hardware) -> int:
    """90 for sm_90 and sm_90a; 0 for what is not written so."""
    match = re.fullmatch(r"sm_(\d+)[a-z]?", hardware.arch)
    return int(match[1]) if match else 0


def slug(fact: str) -> str:
    """A fact's name as a condition writes it: "speed of light %" is `fact.speed_of_light`."""
    return "fact." + re.sub(r"\W+", "_", fact.replace("%", "")).strip("_").lower()


_RESOURCES = {resource.name.lower(): resource for resource in Resource}


def _of_evaluation(evaluation: Evaluation | None) -> dict[str, float]:
    if evaluation is None:
        return {}
    found = {} if evaluation.time_us is None else {"time_us": evaluation.time_us}
    if evaluation.build is not None and evaluation.build.resources:
        found["spilled_bytes"] = max(each.spill_store_bytes + each.spill_load_bytes for each in evaluation.build.resources)
    return found


def _of_profile(profile: Profile | None) -> dict[str, float]:
    if profile is None:
        return {}
    found = {name: metric.value for name, metric in profile.metrics.items()}
    for name, spellings in COUNTERS.items():
        if (value := next((found[each] for each in spellings if each in found), None)) is not None:
            found[name] = value
    for name, (part, whole, factor) in _RATIOS.items():
        if part in found and found.get(whole):
            found[name] = factor * found[part] / found[whole]
    for name, text in profile.facts.items():
        if (number := _number(text)) is not None:
            found[slug(name)] = number
    if (excess := found.get("fact.dram_bytes_task_bytes")) is not None:
        found["dram_excess"] = excess
    found |= {f"share.{name}": profile.shares[r.value] for name, r in _RESOURCES.items() if r.value in profile.shares}
    if profile.bottleneck is not None:
        found |= {f"bound.{name}": float(profile.bottleneck.resource is r) for name, r in _RESOURCES.items()}
    return found


def _number(text: str) -> float | None:
    match = re.match(r"\s*(-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)", text)
    return float(match[1].replace(",", "")) if match else None


def _of_task(task: Task | None) -> dict[str, float]:
    if task is None:
        return {}
    floats = [arg.dtype for arg in task.args if arg.is_tensor and arg.dtype.is_float]
    found: dict[str, float] = {
        "half_inputs": any(dtype in (DType.F16, DType.BF16) for dtype in floats),
        "double_inputs": DType.F64 in floats,
        "fast_math": task.policy.fast_math,
        "own_launches": task.form is Form.LAUNCHER,
        "timed_cases": len(task.timed_cases),
    }
    costs = [task.values(case) for case in task.timed_cases]
    if task.cost.bytes is not None:
        found["task_bytes"] = max(float(task.cost.bytes.evaluate(values)) for values in costs)
    if task.cost.flops is not None:
        found["task_flops"] = max(float(task.cost.flops.evaluate(values)) for values in costs)
    if found.get("task_bytes") and "task_flops" in found:
        found["intensity"] = found["task_flops"] / found["task_bytes"]
    return found


def _of_hardware(hardware: Hardware | None, task: Task | None) -> dict[str, float]:
    if hardware is None:
        return {}
    found = {
        "arch": float(capability(hardware)),
        "sm_count": float(hardware.sm_count),
        "l2_bytes": float(hardware.l2_bytes),
        "launch_us": hardware.launch_us,
        "balance": hardware.fp32_flops / hardware.dram_bytes_per_s,
    }
    if task is not None and (floats := [arg.dtype for arg in task.inputs if arg.dtype.is_float]):
        found["tensor_ratio"] = min(hardware.tensor_flops.get(dtype.value, 0.0) for dtype in floats) / hardware.fp32_flops
    return found
