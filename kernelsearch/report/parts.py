"""Parts of one node as rows of tables: what was checked, found, compiled and sampled. Pure; text ready to print."""

from __future__ import annotations

from kernelsearch import guard
from kernelsearch.model import Evaluation, Finding, Node, Profile
from kernelsearch.report import words
from kernelsearch.report.timing import Row
from kernelsearch.store.reports import FOLDER, SUFFIX


def limit(evaluation: Evaluation | None) -> str:
    """The name of what it is bound by, alone."""
    found = None if evaluation is None or evaluation.profile is None else evaluation.profile.bottleneck
    return "" if found is None else found.resource.value


def heat(evaluation: Evaluation | None) -> dict[int, str]:
    """Share of samples by line, of the lines that are known."""
    found: dict[int, float] = {}
    for place in () if evaluation is None or evaluation.profile is None else evaluation.profile.hot:
        if place.line:
            found[place.line] = found.get(place.line, 0.0) + place.share
    return {line: words.percent(share) for line, share in found.items()}


def hot(evaluation: Evaluation | None, node: Node) -> tuple[Row, ...]:
    """Lines with most samples of the profiler, with what stands there."""
    if evaluation is None or evaluation.profile is None or node.candidate is None:
        return ()
    lines = ["", *node.candidate.source.split("\n")]  # the first is what stands at line 0: nobody knows where
    return tuple(
        Row(
            f"line {place.line}" if place.line else "elsewhere",
            (words.percent(place.share), place.waits_for, place.opcode),
            lines[place.line].strip() if place.line < len(lines) else "",
        )
        for place in evaluation.profile.hot
    )


def report(evaluation: Evaluation | None) -> str:
    """Where the profiler's own file is, from the run's folder."""
    name = "" if evaluation is None or evaluation.profile is None else evaluation.profile.report
    return f"{FOLDER}/{name}{SUFFIX}" if name else ""


def stages(evaluation: Evaluation) -> tuple[Row, ...]:
    found = tuple(Row(name, (words.duration(seconds),)) for name, seconds in evaluation.seconds.items())
    return (*found, Row("of these, with the device", (words.duration(evaluation.held_s),))) if evaluation.held_s else found


def flags(node: Node, parent: Node | None) -> str:
    if node.candidate is None:
        return ""
    own = " ".join(node.candidate.flags)
    before = "" if parent is None or parent.candidate is None else " ".join(parent.candidate.flags)
    return own if own == before or not before else f"{before} → {own}"


def checks(evaluation: Evaluation) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{check.case} / {check.distribution}",
            (check.verdict.value, f"{check.max_error:.3g}", f"{check.relative_error:.3g}", check.where),
            check.detail,
        )
        for check in evaluation.checks
    )


def resources(evaluation: Evaluation) -> tuple[Row, ...]:
    if evaluation.build is None:
        return ()
    return tuple(
        Row(r.kernel, (str(r.registers), str(r.spill_store_bytes + r.spill_load_bytes), str(r.shared_bytes), str(r.stack_bytes)))
        for r in evaluation.build.resources
    )


def findings(evaluation: Evaluation) -> tuple[Row, ...]:
    return tuple(
        Row(
            finding.rule,
            (words.DASH if finding.line is None else f"line {finding.line}", _weight(finding)),
            finding.message,
        )
        for finding in evaluation.findings
    )


def _weight(finding: Finding) -> str:
    if finding.forbidden:
        return "forbidden"
    return "suspicious: checked more strictly" if guard.suspicious([finding]) else "noted"


def counter(profile: Profile | None, name: str) -> str:
    metric = None if profile is None else profile.metrics.get(name)
    return "" if metric is None else words.quantity(metric.value, metric.unit)
