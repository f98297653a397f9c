"""One node as a reader is shown it: text ready to print, with the parent's and the baseline's figures beside its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelsearch import digest, guard
from kernelsearch.model import Evaluation, Finding, Node, Outcome, Profile, Term
from kernelsearch.report import diff, evidence, timing, words
from kernelsearch.report.timing import Row, Strip
from kernelsearch.store.reports import FOLDER, SUFFIX

_TEXT_BUDGET = 24_000_000  # characters of prompts, replies, logs and diffs in one report, over all nodes
_TEXT_LEAST = 1_500
_TEXT_MOST = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node. `kind` is its colour class; `on_path` marks the way from the baseline to the best, `was_best` what was the best once."""

    number: int
    parent: int | None
    depth: int
    children: tuple[int, ...]
    directive: str
    summary: str
    maker: str
    status: str
    kind: str
    sentence: str
    why: str
    time_us: float | None
    time: str
    spread: str
    speedup: str
    speed_of_light: str
    reward: str
    gate: str
    on_path: bool
    is_best: bool
    was_best: bool
    interval: str
    trust: str
    cases: tuple[Row, ...]
    trial: tuple[Row, ...]
    trial_against: str
    strips: tuple[Strip, ...]
    conditions: tuple[Row, ...]
    hazards: tuple[Row, ...]
    at: str
    took: str
    detail: str
    bottleneck: str
    flags: str
    diff: tuple[diff.Line, ...]
    checks: tuple[Row, ...]
    metrics: tuple[Row, ...]
    facts: tuple[Row, ...]
    hot: tuple[Row, ...]
    report: str
    terms: tuple[Term, ...]
    resources: tuple[Row, ...]
    findings: tuple[Row, ...]
    stages: tuple[Row, ...]
    notes: tuple[str, ...]
    team: tuple[str, ...]
    prompt: str
    reply: str
    usage: str


def team(node: Node) -> tuple[str, ...]:
    """What roles beside the coder brought, a sentence each."""
    work = node.attempt.team
    plan, told = work.plan, work.prediction
    return (
        *((f"planned: {plan.method}, against {plan.bottleneck}",) if plan else ()),
        *((f"predicted: {told.speedup:.2f}x the parent, {told.risk:.0%} to fail; {told.reason}".removesuffix("; "),) if told else ()),
        *(f"repaired: {each.verdict.value}: {words.first_line(each.detail)}" for each in work.mended),
        *(f"lesson: {line}" for line in work.lessons),
        *work.notes,
    )


class NodeViews:
    """Makes node views; holds what every one of them is compared with."""

    def __init__(self, nodes: Sequence[Node], baseline: Node, bests: Sequence[Node], path: frozenset[int]) -> None:
        self._nodes, self._baseline, self._best, self._path = nodes, baseline, bests[-1], path
        self._bests = {node.number for node in bests}
        self._numbers = {node.evaluation.candidate: node.number for node in reversed(bests) if node.evaluation is not None}
        self._most = max(_TEXT_LEAST, min(_TEXT_MOST, _TEXT_BUDGET // (4 * len(nodes))))
        self._children: list[list[int]] = [[] for _ in nodes]
        self._depths: list[int] = []
        for node in nodes:
            self._depths.append(0 if node.parent is None else self._depths[node.parent] + 1)
            if node.parent is not None:
                self._children[node.parent].append(node.number)

    def view(self, node: Node) -> NodeView:
        attempt, evaluation = node.attempt, node.evaluation
        parent = None if node.parent is None else self._nodes[node.parent]
        measurement = None if evaluation is None else evaluation.measurement
        trial = None if evaluation is None else evaluation.confirmation
        rival = "" if trial is None else self._named(trial.against)
        timed = node.passed and measurement is not None and len(measurement.timings[0].samples_us) > 1
        return NodeView(
            number=node.number,
            parent=node.parent,
            depth=self._depths[node.number],
            children=tuple(self._children[node.number]),
            directive=words.directive(node),
            summary="" if node.candidate is None else node.candidate.origin.summary,
            maker=_made_by(node),
            status=words.status(node),
            kind=words.kind(node),
            sentence=sentence(node),
            why=words.why(node, parent),
            time_us=node.time_us,
            time=words.time(node.time_us),
            spread=f"± {words.percent(measurement.spread / 2, 1)}" if timed and measurement is not None else "",
            speedup=words.ratio(words.speedup(node, self._baseline)),
            speed_of_light=words.speed_of_light(node),
            reward=words.DASH if node.reward is None else f"{node.reward.value:.3f}",
            gate="" if node.reward is None else node.reward.gate or "",
            on_path=node.number in self._path,
            is_best=node.number == self._best.number,
            was_best=node.number in self._bests,
            interval="" if node.number == self._baseline.number else evidence.bounds(node),
            trust="" if evaluation is None else evidence.trust(evaluation, rival),
            cases=timing.cases(measurement),
            trial=() if trial is None else timing.cases(trial.measurement),
            trial_against=rival,
            strips=() if evaluation is None else timing.strips(evaluation),
            conditions=timing.conditions(measurement),
            hazards=() if evaluation is None else timing.hazards(evaluation),
            at=words.duration(node.at_seconds),
            took=words.duration(attempt.seconds),
            detail=self._cut(attempt.detail or ("" if evaluation is None else evaluation.detail)),
            bottleneck="" if evaluation is None else words.bottleneck(evaluation),
            flags=_flags(node, parent),
            diff=self._diff(node, parent),
            checks=() if evaluation is None else _checks(evaluation),
            metrics=self._metrics(node, parent),
            facts=self._facts(node, parent),
            hot=_hot(node),
            report=_report(evaluation),
            terms=() if node.reward is None else node.reward.terms,
            resources=() if evaluation is None else _resources(evaluation),
            findings=() if evaluation is None else _findings(evaluation),
            stages=() if evaluation is None else _stages(evaluation),
            team=team(node),
            notes=() if evaluation is None or evaluation.profile is None else evaluation.profile.notes,
            prompt=self._cut(attempt.prompt),
            reply=self._cut(attempt.reply),
            usage=words.tokens(attempt.usage) + f", {words.money(attempt.usage.usd)}" if attempt.usage.calls else "",
        )

    def _named(self, candidate: str) -> str:
        """The incumbent of a second trial, by its number where the run has it."""
        number = self._numbers.get(candidate)
        return "the incumbent" if number is None else "the baseline" if number == self._baseline.number else f"#{number}"

    def _cut(self, text: str) -> str:
        name = digest.of_bytes(text.encode()) if len(text) > self._most else ""
        return diff.cut(text, self._most, f"in the run folder as blobs/{name[:2]}/{name[2:]}")

    def _diff(self, node: Node, parent: Node | None) -> tuple[diff.Line, ...]:
        if node.candidate is None or parent is None:
            return ()
        return diff.cut_lines(diff.lines(_source(parent), node.candidate.source), self._most // 40)

    def _profiles(self, node: Node, parent: Node | None) -> tuple[Profile | None, Profile | None, Profile | None]:
        own, above, first = (None if n is None or n.evaluation is None else n.evaluation.profile for n in (node, parent, self._baseline))
        return own, above, first

    def _metrics(self, node: Node, parent: Node | None) -> tuple[Row, ...]:
        own, above, first = self._profiles(node, parent)
        if own is None:
            return ()
        return tuple(
            Row(name, (words.quantity(metric.value, metric.unit), _counter(above, name), _counter(first, name)))
            for name, metric in own.metrics.items()
        )

    def _facts(self, node: Node, parent: Node | None) -> tuple[Row, ...]:
        own, above, first = self._profiles(node, parent)
        if own is None:
            return ()
        return tuple(
            Row(name, (value, *("" if other is None else other.facts.get(name, "") for other in (above, first))))
            for name, value in own.facts.items()
        )


def _counter(profile: Profile | None, name: str) -> str:
    metric = None if profile is None else profile.metrics.get(name)
    return "" if metric is None else words.quantity(metric.value, metric.unit)


def _source(node: Node) -> str:
    return "" if node.candidate is None else node.candidate.source


def _made_by(node: Node) -> str:
    if node.candidate is None:
        return ""
    return node.candidate.origin.model or node.candidate.origin.proposer


def sentence(node: Node) -> str:
    """What became of it, for a person."""
    if node.attempt.outcome is Outcome.EVALUATED and node.evaluation is not None:
        return node.evaluation.verdict.report
    return _OUTCOMES[node.attempt.outcome]


_OUTCOMES = {
    Outcome.EVALUATED: "",
    Outcome.DUPLICATE: "The same kernel as an earlier node, whose evaluation it shares.",
    Outcome.UNUSABLE: "The reply held no edit, or the edit did not apply.",
    Outcome.EXHAUSTED: "The proposer knows nothing more to try from this parent.",
    Outcome.LLM_FAILED: "The model gave no usable answer.",
    Outcome.REPEATED: "Another trial of the parent's own kernel, on fresh contents.",
    Outcome.DECLINED: "The owner of the run did not let it run.",
}


def _flags(node: Node, parent: Node | None) -> str:
    if node.candidate is None:
        return ""
    own = " ".join(node.candidate.flags)
    before = "" if parent is None or parent.candidate is None else " ".join(parent.candidate.flags)
    return own if own == before or not before else f"{before} → {own}"


def _checks(evaluation: Evaluation) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{check.case} / {check.distribution}",
            (check.verdict.value, f"{check.max_error:.3g}", f"{check.relative_error:.3g}", check.where),
            check.detail,
        )
        for check in evaluation.checks
    )


def _resources(evaluation: Evaluation) -> tuple[Row, ...]:
    if evaluation.build is None:
        return ()
    return tuple(
        Row(r.kernel, (str(r.registers), str(r.spill_store_bytes + r.spill_load_bytes), str(r.shared_bytes), str(r.stack_bytes)))
        for r in evaluation.build.resources
    )


def _findings(evaluation: Evaluation) -> tuple[Row, ...]:
    return tuple(
        Row(
            finding.rule,
            (words.DASH if finding.line is None else f"line {finding.line}", _weight(finding)),
            finding.message,
        )
        for finding in evaluation.findings
    )


def _hot(node: Node) -> tuple[Row, ...]:
    """Lines with most samples, with what stands there."""
    profile = None if node.evaluation is None else node.evaluation.profile
    source = _source(node).splitlines()
    return tuple(
        Row(
            f"line {place.line}" if place.line else "elsewhere",
            (words.percent(place.share), place.waits_for, place.opcode),
            source[place.line - 1].strip() if 0 < place.line <= len(source) else "",
        )
        for place in (() if profile is None else profile.hot)
    )


def _report(evaluation: Evaluation | None) -> str:
    """Where the profiler's own file is, from the run's folder."""
    name = "" if evaluation is None or evaluation.profile is None else evaluation.profile.report
    return f"{FOLDER}/{name}{SUFFIX}" if name else ""


def _stages(evaluation: Evaluation) -> tuple[Row, ...]:
    stages = tuple(Row(name, (words.duration(seconds),)) for name, seconds in evaluation.seconds.items())
    return (*stages, Row("of these, with the device", (words.duration(evaluation.held_s),))) if evaluation.held_s else stages


def _weight(finding: Finding) -> str:
    if finding.forbidden:
        return "forbidden"
    return "suspicious: checked more strictly" if guard.suspicious([finding]) else "noted"
