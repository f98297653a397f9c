"""The system part of a prompt: task, hardware and the form of the answer, which stay the same through a run, so that caches serve it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kernelsearch.model import Arg, Case, Form, Hardware, Task
from kernelsearch.propose.budget import Cut, Part
from kernelsearch.propose.shrink import begun
from kernelsearch.propose.wording import block, si

_SYSTEM = "system.md.j2"


def system(task: Task, hardware: Hardware, instructions: str, *, duty: str = "") -> list[Part]:
    """The part that stays the same through a run. `duty` is that of a role other than the coder."""
    torch = task.form is Form.TORCH
    return [
        Part(name="opening", text=block(_SYSTEM, "opening", duty=duty, task=task)),
        _notes(task),
        Part(name="signature", text=_signature(task, hardware)),
        Part(name="hardware", text=block(_SYSTEM, "hardware", hardware=hardware, limits=_limits(hardware))),
        Part(name="form of answer", text=block(_SYSTEM, "form", duty=duty, instructions=instructions, form="torch" if torch else "")),
    ]


def _notes(task: Task) -> Part:
    """The task's notes, which go before its signature does."""
    if not task.notes:
        return Part(name="task notes", text="")

    def shown(most: int) -> str:
        return block(_SYSTEM, "notes", notes=task.notes if len(task.notes) <= most else f"{task.notes[:most]}\n… (cut)")

    what, stage = "the notes of the task", "task notes"
    cuts = (*begun(stage, shown, (2_000, 1_000, 500, 250), what=what), Cut(stage=stage, text="", said=what))
    return Part(name="task notes", text=shown(len(task.notes)), cuts=cuts)


def _signature(task: Task, hardware: Hardware) -> str:
    return block(
        _SYSTEM,
        "signature",
        task=task,
        form=task.form.value,
        torch=_torch(task),
        arguments=[_argument(arg) for arg in task.args],
        cases=[_case(task, case, hardware) for case in task.cases],
        timed=len(task.timed_cases),
        tolerance=_tolerance(task),
        distributions=", ".join(each.value for each in task.distributions),
    )


def _torch(task: Task) -> dict[str, str]:
    """How a ModelNew is made and called, as Python; empty for other forms. What a parameter is called in the module is its state."""
    if task.form is not Form.TORCH or task.torch is None:
        return {}
    held = ", ".join(f"`{state}` ({name})" for name, state in task.torch.parameters.items())
    return {"init": f"ModelNew({_arguments(task.torch.init)})", "call": f"forward({_arguments(task.torch.inputs)})", "held": held}


def _arguments(tree: str) -> str:
    """A list of arguments as they are passed: tensors by their names, other values as they are."""
    return ", ".join(_value(node) for node in json.loads(tree)["list"])


def _value(node: Mapping[str, Any]) -> str:
    if "arg" in node:
        return str(node["arg"])
    if "value" in node:
        return str(node["value"])
    inner = ", ".join(map(_value, node.get("list") or node.get("tuple") or ()))
    return f"[{inner}]" if "list" in node else f"({inner},)"


def _argument(arg: Arg) -> str:
    shape = f"[{', '.join(map(str, arg.shape))}]" if arg.is_tensor else ""
    bounds = f", values from {arg.low} to below {arg.high}" if arg.low is not None and arg.high is not None else ""
    return f"`{arg.name}`: {arg.kind.value}, {arg.dtype.value}{shape}{bounds}"


def _case(task: Task, case: Case, hardware: Hardware) -> str:
    values = task.values(case)
    sizes = ", ".join(f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}" for name, value in values.items())
    sizes = sizes or "the problem's own sizes"
    if not case.timed:
        return sizes
    costs = []
    if task.cost.bytes is not None:
        moved = task.cost.bytes.evaluate(values)
        costs.append(f"at least {si(moved, 'B')} to move, {moved / hardware.dram_bytes_per_s * 1e6:.2f} µs at full memory bandwidth")
    if task.cost.flops is not None:
        work = task.cost.flops.evaluate(values)
        costs.append(f"{si(work, 'FLOP')}, {work / hardware.fp32_flops * 1e6:.2f} µs at the f32 peak")
    return f"{sizes} (timed{'; ' if costs else ''}{'; '.join(costs)})"


def _tolerance(task: Task) -> str:
    given = task.tolerance
    other = "the first version of this kernel" if task.reference is None else "a reference computed in float64"
    if given.rtol is not None or given.atol is not None:
        return f"it equals that of {other} within rtol {given.rtol or 0:g} and atol {given.atol or 0:g} (times its RMS)"
    sums = "" if str(given.reduction) == "1" else f" and sums of {given.reduction} terms"
    return f"it differs from that of {other} by no more than rounding in its dtype{sums} explains"


def _limits(hardware: Hardware) -> list[str]:
    tensor = ", ".join(f"{name} {si(rate, 'FLOP/s')}" for name, rate in hardware.tensor_flops.items())
    return [
        f"{hardware.sm_count} SMs at {si(hardware.clock_hz, 'Hz')}; an empty launch takes {hardware.launch_us:g} µs",
        f"DRAM: {si(hardware.dram_bytes_per_s, 'B/s')}, latency {hardware.dram_latency_us:g} µs",
        f"L2: {si(hardware.l2_bytes, 'B')}, {si(hardware.l2_bytes_per_s, 'B/s')}",
        f"shared memory: {hardware.shared_bytes_per_sm} B an SM, {hardware.shared_bytes_per_block} B a block (above 49152 by opt-in)",
        f"an SM holds {hardware.registers_per_sm} registers, {hardware.threads_per_sm} threads, {hardware.blocks_per_sm} blocks",
        f"peak: f32 {si(hardware.fp32_flops, 'FLOP/s')}, f64 {si(hardware.fp64_flops, 'FLOP/s')}",
        *([f"tensor cores: {tensor}"] if tensor else []),
    ]
