"""From evaluations and nodes to what an agent is told of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernelsearch import guard
from kernelsearch.evaluate import Halfway
from kernelsearch.mcp_server.told import CheckLine, HotSpot, Judged, KernelLine, NodeEvidence, NodeLine, TermLine
from kernelsearch.model import Build, Check, Evaluation, Finding, Node, Profile, Verdict
from kernelsearch.report import diff, evidence, words
from kernelsearch.report.explain import Explanation

_DETAIL = 6000  # characters of a compiler's log
_DIFFERENCE = 24_000
_SOURCE = 200_000
_FAR = 1e300  # for an error without end, which JSON cannot tell
_HALFWAY = "Nothing failed so far. It was not timed, so it has no verdict."


def judged(found: Evaluation | Halfway, assumed: Sequence[str] = (), notes: Sequence[str] = ()) -> Judged:
    """A whole evaluation, or one that was asked to stop on the way."""
    whole = found if isinstance(found, Evaluation) else None
    profile = None if whole is None else whole.profile
    measurement = whole.measurement if whole is not None and whole.passed else None
    interval = None if measurement is None else measurement.interval
    limit = None if profile is None else profile.bottleneck
    return Judged(
        verdict=None if whole is None else whole.verdict.value,
        passed=whole is not None and whole.passed,
        stage=[*found.seconds][-1] if found.seconds else "guard",
        meaning=_HALFWAY if whole is None else whole.verdict.prompt,
        detail="" if whole is None else diff.cut(words.clean(whole.detail), _DETAIL, "not kept: compile it alone to see all"),
        device=found.environment.device,
        time_kind="measured" if found.environment.time_kind == "measured" else "modelled",
        time_us=None if measurement is None else measurement.time_us,
        speedup=None if measurement is None else measurement.speedup,
        interval=None if interval is None else (interval.low, interval.high),
        bottleneck=None if limit is None else limit.resource.value,
        evidence="" if limit is None else limit.evidence,
        figures={} if profile is None else dict(profile.facts),
        hot=_hot(profile),
        checks_passed=sum(check.verdict is Verdict.PASSED for check in found.checks),
        checks_failed=_failed(found.checks),
        kernels=_kernels(found.build),
        findings=tuple(_finding(finding) for finding in found.findings),
        assumed=tuple(assumed),
        notes=(*_trust(whole), *(() if profile is None else profile.notes), *notes),
    )


def _hot(profile: Profile | None) -> tuple[HotSpot, ...]:
    found = () if profile is None else profile.hot
    return tuple(HotSpot(line=spot.line, opcode=spot.opcode, share=spot.share, stall=spot.stall) for spot in found)


def _failed(checks: Sequence[Check]) -> tuple[CheckLine, ...]:
    wrong = [check for check in checks if check.verdict is not Verdict.PASSED]
    return tuple(
        CheckLine(
            case=check.case,
            inputs=check.distribution,
            verdict=check.verdict.value,
            error=check.max_error if math.isfinite(check.max_error) else _FAR,
            detail=words.clean(check.detail or check.where),
        )
        for check in wrong
    )


def _kernels(build: Build | None) -> tuple[KernelLine, ...]:
    return tuple(
        KernelLine(
            kernel=each.kernel,
            registers=each.registers,
            spilled_bytes=each.spill_store_bytes + each.spill_load_bytes,
            shared_bytes=each.shared_bytes,
        )
        for each in (() if build is None else build.resources)
    )


def _finding(finding: Finding) -> str:
    where = "" if finding.line is None else f"line {finding.line}: "
    weight = " (forbidden)" if finding.forbidden else " (checked more strictly)" if guard.suspicious([finding]) else ""
    return words.clean(f"{where}{finding.message} [{finding.rule}]{weight}")


def _trust(whole: Evaluation | None) -> tuple[str, ...]:
    if whole is None:
        return ()
    yardstick = "outputs were compared with the task's own kernel, for want of a reference" if whole.reference == "baseline" else ""
    conditions = "" if whole.measurement is None else evidence.conditions(whole.measurement)
    return tuple(filter(None, (evidence.trust(whole), yardstick, conditions)))


def line(node: Node, nodes: Sequence[Node]) -> NodeLine:
    """An attempt in a row of a table."""
    parent = None if node.parent is None else nodes[node.parent]
    return NodeLine(
        number=node.number,
        parent=node.parent,
        edit=words.directive(node),
        status=words.status(node),
        time_us=node.time_us,
        speedup=words.speedup(node, nodes[0]),
        why=words.why(node, parent),
    )


def node_evidence(run: str, found: Explanation, nodes: Sequence[Node], *, source: bool) -> NodeEvidence:
    """All that is known of an attempt."""
    node = found.node
    parent = None if node.parent is None else nodes[node.parent]
    own, before = ("" if each is None or each.candidate is None else each.candidate.source for each in (node, parent))
    changes = "\n".join(each.text for each in diff.lines(before, own)) if parent is not None and own else ""
    return NodeEvidence(
        run=run,
        number=node.number,
        parent=node.parent,
        title=found.title,
        judged=None if node.evaluation is None else judged(node.evaluation),
        lines=dict(found.lines),
        reward=None if found.reward is None else found.reward.value,
        gate=None if found.reward is None else found.reward.gate,
        terms=tuple(TermLine(term=term.name, raw=term.raw, weight=term.weight, adds=term.contribution) for term in found.terms),
        flags=() if node.candidate is None else node.candidate.flags,
        difference=diff.cut(changes, _DIFFERENCE, "in the whole source"),
        source=diff.cut(own, _SOURCE, "in the run folder") if source else None,
    )
