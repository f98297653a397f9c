"""What a prompt says of a node, as lines: values in, text out. Whatever stems from a candidate or a tool is cut to one line, or fenced."""

from __future__ import annotations

from kernelsearch.model import (
    Context,
    Evaluation,
    KernelResources,
    Measurement,
    Node,
    Outcome,
    Profile,
    Reward,
    TimeKind,
)
from kernelsearch.propose.wording import fence, one_line

DETAIL = 4_000  # characters of a compiler's or verifier's words: the first error is at the top
SIBLINGS = 12
_LINEAGE = 8


def present(context: Context) -> dict[str, object]:
    """The kernel to edit: its number, verdict, times and resources."""
    node, evaluation = context.parent, context.parent.evaluation
    candidate = node.candidate
    facts = [f"flags: `{one_line(' '.join(candidate.flags)) or 'none'}`"] if candidate else []
    if evaluation is None:
        unjudged = candidate is not None  # which is not wrong
        return {"number": node.number, "verdict": one_line(node.attempt.detail), "passed": unjudged, "facts": facts}
    if evaluation.measurement is not None and evaluation.passed:
        facts = [*_times(context, evaluation.measurement), *facts]
    if evaluation.build is not None:
        facts += [_resources(each) for each in evaluation.build.resources]
    return {
        "number": node.number,
        "verdict": evaluation.verdict.prompt,
        "passed": evaluation.passed,
        "facts": facts,
    }


def detail(evaluation: Evaluation, most: int = DETAIL) -> str:
    """What a compiler or verifier said, fenced and cut; empty where it said nothing."""
    said = evaluation.detail.strip()
    cut = said if len(said) <= most else said[:most] + "\n… (cut)"
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


def limited(evaluation: Evaluation | None) -> bool:
    """Whether the first line of `evidence` names the limit."""
    return evaluation is not None and evaluation.profile is not None and evaluation.profile.bottleneck is not None


def score(reward: Reward | None) -> list[str]:
    """The score and its terms, a line each."""
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


def edited(context: Context) -> list[Node]:
    """The attempts from the parent that were edits, oldest first."""
    silent = (Outcome.EXHAUSTED, Outcome.LLM_FAILED, Outcome.REPEATED)  # no edit was tried
    return [node for node in context.siblings if node.attempt.outcome not in silent]


def tried(context: Context, most: int = SIBLINGS) -> list[str]:
    """What was tried from the parent already, a line each of the `most` newest."""
    edits = edited(context)
    lines = [f"{_edit(node)}: {_effect(node, context.parent, 'the present kernel')}" for node in edits[-most:]]
    left_out = len(edits) - len(lines)
    return [f"({left_out} earlier ones are left out)", *lines] if left_out else lines


def other(node: Node, baseline: Node | None) -> str:
    """Of a further kernel that the proposal names."""
    return f"attempt {node.number}: {_edit(node)}: {_effect(node, baseline, 'the baseline')}"


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
