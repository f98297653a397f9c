"""What a language model is told: values in, text out. The words are in `templates/`, the choice and shape of the facts is here.

The system part depends on task, hardware and edit format only, so that a provider's prompt cache serves it through a whole run.
Whatever stems from a candidate or a tool is fenced, or cut to one line; a fence is longer than any within.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsearch.model import (
    Arg,
    Case,
    Context,
    Evaluation,
    Form,
    Hardware,
    KernelResources,
    Measurement,
    Node,
    Outcome,
    Profile,
    Proposal,
    Reward,
    Task,
    TimeKind,
)
from kernelsearch.propose.guidance import guidance
from kernelsearch.templates import render

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_DETAIL = 4_000  # characters of a compiler's or verifier's words: the first error is at the top
_LINE = 160
_SIBLINGS = 12
_LINEAGE = 8
_OTHERS = 2  # kernels to draw on, each in full
_NOTES, _NOTE, _LESSON = 16, 400, 240
_PLAN = 2_000
_LANGUAGE = {Form.TORCH: "python"}  # of the sources; CUDA where nothing is said


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The two parts of a first turn."""

    system: str
    request: str


def write(proposal: Proposal, context: Context, task: Task, hardware: Hardware, *, instructions: str) -> Prompt:
    """The prompt for one edit of `context.parent`, whose candidate must be there."""
    plan = context.plan
    told = (
        {"bottleneck": one_line(plan.bottleneck, _NOTE), "method": one_line(plan.method, _NOTE), "plan": one_line(plan.plan, _PLAN)}
        if plan
        else None
    )
    request = fill("request.md.j2", **situation(proposal, context, task, hardware), plan=told, said_in="summary")
    return Prompt(system=system(task, hardware, instructions), request=request)


def situation(proposal: Proposal, context: Context, task: Task, hardware: Hardware) -> dict[str, object]:
    """What templates say of the kernel to edit, whoever is asked about it."""
    parent = context.parent
    if parent.candidate is None:
        raise ValueError(f"node {parent.number} has no source to edit")
    return {
        "language": language(task),
        "source": parent.candidate.source,
        "parent": _present(context),
        "evidence": evidence(parent.evaluation),
        "reward": _reward(parent.reward),
        "lineage": lineage(context),
        "siblings": tried(context),
        "lessons": [one_line(line, _LESSON) for line in context.lessons],
        "others": [_other(node, context.baseline) for node in context.others[:_OTHERS]],
        "note": [one_line(line, _NOTE) for line in proposal.note.splitlines() if line.strip()][:_NOTES],
        "directive": one_line(proposal.directive or ""),
        "guidance": guidance(proposal, context, task, hardware),
    }


def fill(name: str, **values: object) -> str:
    """The template `name` with `values`."""
    return render(_TEMPLATES, name, fence=fence, **values)


def language(task: Task) -> str:
    """Of the task's sources, as a fence names it."""
    return _LANGUAGE.get(task.form, "cuda")


def repair(reason: str, *, instructions: str) -> str:
    """What is said to a reply that did not apply."""
    return fill("repair.md.j2", reason=reason, instructions=instructions)


def fence(text: str, language: str) -> str:
    """`text` between fences that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    bar = "`" * max(3, longest + 1)
    return f"{bar}{language}\n{text.rstrip()}\n{bar}"


def one_line(text: str, limit: int = _LINE) -> str:
    """`text` on one line, cut to `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def system(task: Task, hardware: Hardware, instructions: str, *, duty: str = "") -> str:
    """The part that stays the same through a run. `duty` is that of a role other than the coder."""
    return fill(
        "system.md.j2",
        duty=duty,
        task=task,
        form=task.form.value,
        torch=_torch(task),
        arguments=[_argument(arg) for arg in task.args],
        cases=[_case(task, case, hardware) for case in task.cases],
        timed=len(task.timed_cases),
        tolerance=_tolerance(task),
        distributions=", ".join(each.value for each in task.distributions),
        hardware=hardware,
        limits=_limits(hardware),
        instructions=instructions,
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


def _present(context: Context) -> dict[str, object]:
    node, evaluation = context.parent, context.parent.evaluation
    candidate = node.candidate
    facts = [f"flags: `{one_line(' '.join(candidate.flags)) or 'none'}`"] if candidate else []
    if evaluation is None:
        unjudged = candidate is not None  # which is not wrong
        return {"number": node.number, "verdict": one_line(node.attempt.detail), "passed": unjudged, "facts": facts, "detail": ""}
    if evaluation.measurement is not None and evaluation.passed:
        facts = [*_times(context, evaluation.measurement), *facts]
    if evaluation.build is not None:
        facts += [_resources(each) for each in evaluation.build.resources]
    return {
        "number": node.number,
        "verdict": evaluation.verdict.prompt,
        "passed": evaluation.passed,
        "facts": facts,
        "detail": "" if evaluation.passed else detail(evaluation),
    }


def detail(evaluation: Evaluation) -> str:
    """What a compiler or verifier said, fenced and cut; empty where it said nothing."""
    said = evaluation.detail.strip()
    cut = said if len(said) <= _DETAIL else said[:_DETAIL] + "\n… (cut)"
    return fence(cut, "text") if said else ""


def _times(context: Context, measurement: Measurement) -> list[str]:
    compared = _against(context.parent, context.baseline, "the baseline")
    lines = [f"{measurement.kind.value} time: {measurement.time_us:.2f} µs{compared}"]
    if measurement.kind is TimeKind.MODELLED:
        lines.append("the device is emulated: counted memory traffic and instructions give the time; it cannot run inline PTX")
    if len(measurement.timings) > 1:
        lines += [f"case {timing.case}: {timing.median_us:.2f} µs" for timing in measurement.timings]
    best = context.best
    if best is not None and best.number != context.parent.number and best.time_us is not None:
        lines.append(f"best so far: attempt {best.number}, {best.time_us:.2f} µs")
    return lines


def _against(node: Node, other: Node | None, name: str) -> str:
    """How much faster `node` is than `other`; empty where that cannot be said."""
    ours = node.evaluation.measurement if node.evaluation else None
    theirs = other.evaluation.measurement if other is not None and other.evaluation else None
    if ours is None or theirs is None or other is None or other.number == node.number:
        return ""
    try:
        return f", {ours.speedup_over(theirs):.2f}x the speed of {name}"
    except ValueError:  # other cases, or modelled against measured, after a change of device
        return ""


def _resources(each: KernelResources) -> str:
    spills = f", spills {each.spill_store_bytes} B out and {each.spill_load_bytes} B in" if each.spill_store_bytes else ""
    shared = f", {each.shared_bytes} B static shared memory" if each.shared_bytes else ""
    return f"`{one_line(each.kernel, 60)}`: {each.registers} registers a thread{shared}{spills}"


def evidence(evaluation: Evaluation | None) -> list[str]:
    """The named limit and the counters, a line each."""
    profile: Profile | None = evaluation.profile if evaluation else None
    if profile is None:
        return []
    limit = [f"bottleneck: {profile.bottleneck.resource.value}. {one_line(profile.bottleneck.evidence, 400)}"] if profile.bottleneck else []
    facts = [f"{name}: {one_line(value)}" for name, value in profile.facts.items()]
    return [*limit, f"counters are {profile.kind.value}, of `{one_line(profile.kernel, 60)}`", *facts, *map(one_line, profile.notes)]


def _reward(reward: Reward | None) -> list[str]:
    if reward is None:
        return []
    if reward.gate is not None:
        return [f"score {reward.value:.3f}, fixed for the verdict `{one_line(reward.gate)}`"]
    terms = [
        f"{t.name}: {t.contribution:+.3f} ({t.weight:g} x {t.raw:.3f}){'; ' + one_line(t.note) if t.note else ''}" for t in reward.terms
    ]
    return [f"score {reward.value:.3f}, the sum of:", *terms]


def _step(node: Node, baseline: Node | None) -> str:
    if node.attempt.proposal is None:
        time = f", {node.time_us:.2f} µs" if node.time_us is not None else ""
        return f"attempt {node.number}: the baseline{time}"
    return f"attempt {node.number}: {_edit(node)}: {_effect(node, baseline, 'the baseline')}"


def lineage(context: Context) -> list[str]:
    """How the parent came about, newest first."""
    return [_step(node, context.baseline) for node in context.lineage[:_LINEAGE]]


def tried(context: Context) -> list[str]:
    """What was tried from the parent already, a line each."""
    silent = (Outcome.EXHAUSTED, Outcome.LLM_FAILED, Outcome.REPEATED)  # no edit was tried
    edits = [node for node in context.siblings if node.attempt.outcome not in silent]
    lines = [f"{_edit(node)}: {_effect(node, context.parent, 'the present kernel')}" for node in edits[-_SIBLINGS:]]
    left_out = len(edits) - len(lines)
    return [f"({left_out} earlier ones are left out)", *lines] if left_out else lines


def _other(node: Node, baseline: Node | None) -> dict[str, str]:
    """A further kernel that the proposal names; without source where its attempt had none."""
    source = node.candidate.source if node.candidate else ""
    return {"line": f"attempt {node.number}: {_edit(node)}: {_effect(node, baseline, 'the baseline')}", "source": source}


def _edit(node: Node) -> str:
    """What was done, in the words of who did it."""
    origin = node.candidate.origin if node.candidate else None
    proposal = node.attempt.proposal
    asked = proposal.directive if proposal else None
    return one_line((origin.summary or origin.directive if origin else "") or asked or "an edit", 100)


def _effect(node: Node, other: Node | None, name: str) -> str:
    if node.evaluation is None:
        return one_line(f"{node.attempt.outcome.value}: {node.attempt.detail}")
    verdict = node.evaluation.verdict.value
    if node.time_us is None:
        return one_line(f"{verdict}: {node.evaluation.detail}")
    return f"{verdict}, {node.time_us:.2f} µs{_against(node, other, name)}"


def si(value: float, unit: str) -> str:
    """A quantity with a decimal prefix: 3.35 TB/s."""
    prefixes: Sequence[tuple[float, str]] = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    for size, prefix in prefixes:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
