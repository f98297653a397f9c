"""What a tool gives back, in words for a model: what it should act on first, no tables wider than they need to be."""

from __future__ import annotations

from collections.abc import Iterable

from kernelsearch.mcp_server.told import Found, Judged, NodeEvidence, NodeLine, SearchState, TaskChecked
from kernelsearch.report import words

_FEW = 8


def task_checked(found: TaskChecked) -> str:
    lines = [f"drafted {found.file}"] if found.drafted else []
    lines += [f"assumed: {each}" for each in found.assumed]
    lines += [f"to be answered in the task file: {each}" for each in found.questions]
    if found.admitted is None:
        lines.append("Nothing can be judged by it yet. Answer what is open, then check again.")
    elif found.admitted:
        lines.append(f"{found.task}: admitted, {found.tried} things tried. It tells right from wrong.")
    else:
        lines.append(f"{found.task}: refused.")
        lines += [f"{each.solver} (should: {each.expected}): {each.what}" for each in found.faults]
    return "\n".join(lines)


def judged(found: Judged) -> str:
    unit = words.unit(found.time_kind)
    lines = [f"{found.verdict or f'no verdict, stopped after {found.stage}'}. {found.meaning}", f"on {found.device}, {found.time_kind}"]
    lines += [found.detail] if found.detail else []
    lines += [
        f"wrong: case {check.case}, {check.inputs} inputs, error {check.error:.3g} x tolerance: {check.detail}"
        for check in found.checks_failed[:_FEW]
    ]
    if found.checks_passed:
        lines.append(f"{words.count(found.checks_passed, 'set')} of inputs verified")
    if found.time_us is not None:
        lines.append(f"time {words.time(found.time_us)} {unit}{_over(found.speedup, found.interval)}")
    if found.bottleneck:
        lines.append(f"limit: {found.bottleneck}: {found.evidence}")
    lines += [f"{name}: {value}" for name, value in found.figures.items()]
    lines += [f"hot: line {spot.line}, {spot.share * 100:.0f} % of samples, {spot.opcode}, {spot.stall}" for spot in found.hot[:_FEW]]
    lines += [
        f"kernel {each.kernel}: {each.registers} registers, {each.spilled_bytes} bytes spilled, {each.shared_bytes} bytes shared"
        for each in found.kernels
    ]
    lines += [f"guard: {each}" for each in found.findings]
    lines += [f"assumed by the task: {each}" for each in found.assumed]
    return words.clean("\n".join([*lines, *(f"note: {each}" for each in found.notes)]))


def _over(speedup: float | None, interval: tuple[float, float] | None) -> str:
    if speedup is None:
        return ""
    sure = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}] at 99 %"
    return f", {speedup:.3f}x{sure} the task's own kernel"


def found(told: Found) -> str:
    lines = [f"limit: {told.bottleneck}: {told.evidence}"] if told.bottleneck else []
    if told.unfit and not told.profiled:
        lines.append("This kernel was not profiled: evaluate it with until profile first, or take what follows with doubt.")
    for way in told.ways:
        promise = "" if way.promise is None else f" (promise {way.promise:.2f}: {way.reason})"
        lines.append(f"{way.name}: {way.title}{promise}")
        lines += [f"    {way.does}"] if way.promise is not None or told.example else []
    lines += [told.example, f"when: {told.when}" if told.when else "", f"mind: {told.mind}"] if told.example else []
    lines += [f"does not fit: {', '.join(told.unfit)}"] if told.unfit else []
    return "\n".join(lines)


def search_state(found: SearchState) -> str:
    unit = words.unit(found.time_kind or "measured")
    limit = "" if found.limit is None else f" of {found.limit}"
    lines = [f"{found.run}: {found.state}{f' ({found.said})' if found.said else ''}"]
    if found.device:
        lines.append(
            f"{found.candidates}{limit} candidates, {words.duration(found.seconds)}, {words.money(found.usd)}; "
            f"on {found.device}, {found.time_kind}"
        )
    if found.baseline_us is not None:
        lines.append(f"#0, the kernel it began with: {words.time(found.baseline_us)} {unit}")
    if found.best:
        lines.append(f"best #{found.best}: {words.time(found.best_us)} {unit}{_over(found.speedup, found.interval)}")
    elif found.best == 0:
        lines.append("nothing was shown to be faster yet")
    lines += [_node(node) for node in found.nodes]
    lines += [f"winning kernel: {found.best_file}"] if found.best_file else []
    return words.clean("\n".join([*lines, *([f"report: {found.report}"] if found.report else [])]))


def _node(node: NodeLine) -> str:
    parent = "" if node.parent is None else f" on #{node.parent}"
    time = "" if node.time_us is None else f", {words.time(node.time_us)}, {words.ratio(node.speedup)}"
    return f"#{node.number}{parent} {node.edit}: {node.status}{time}{f' ({node.why})' if node.why else ''}"


def node_evidence(found: NodeEvidence) -> str:
    lines = [found.title, *(f"{name}: {value}" for name, value in found.lines.items())]
    if found.judged is not None:
        lines += _named("figures", (f"{name} {value}" for name, value in found.judged.figures.items()))
        lines += [
            f"wrong: case {check.case}, {check.inputs} inputs, error {check.error:.3g} x tolerance: {check.detail}"
            for check in found.judged.checks_failed[:_FEW]
        ]
        lines += [f"detail: {found.judged.detail}"] if found.judged.detail else []
        lines += [f"guard: {each}" for each in found.judged.findings]
    if found.reward is not None:
        lines.append(f"reward {found.reward:.4g}{f', set by the gate for {found.gate}' if found.gate else ''}")
    lines += _named("terms", (f"{term.term} {term.adds:+.3f}" for term in found.terms if term.adds))
    lines += _named("flags", found.flags)
    lines += ["source:", found.source] if found.source is not None else []
    return words.clean("\n".join([*lines, *(["difference to its parent:", found.difference] if found.difference else [])]))


def _named(name: str, parts: Iterable[str]) -> list[str]:
    told = ", ".join(parts)
    return [f"{name}: {told}"] if told else []
