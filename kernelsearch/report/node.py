"""One node as a reader is shown it: text ready to print, with the parent's and the baseline's figures beside its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelsearch import digest
from kernelsearch.model import Node, Outcome, Profile, Term
from kernelsearch.report import diff, evidence, parts, timing, words
from kernelsearch.report.timing import Row, Strip
from kernelsearch.source import highlight

_TEXT_BUDGET = 12_000_000  # characters of prompts, replies and logs in one report, over all nodes; a line that comes again costs nothing
_TEXT_LEAST = 1_500
_TEXT_MOST = 120_000
_ROWS = 1_500  # of one difference


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
    reward_value: float
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
    limit: str
    flags: str
    source: highlight.Source
    diff: tuple[diff.Pair, ...]
    hot: tuple[Row, ...]
    report: str
    heat: Mapping[int, str]
    checks: tuple[Row, ...]
    metrics: tuple[Row, ...]
    facts: tuple[Row, ...]
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

    def __init__(self, nodes: Sequence[Node], baseline: Node, bests: Sequence[Node], path: frozenset[int], *, python: bool = False) -> None:
        self._python = python
        self._nodes, self._baseline, self._best, self._path = nodes, baseline, bests[-1], path
        self._bests = {node.number for node in bests}
        self._numbers = {node.evaluation.candidate: node.number for node in reversed(bests) if node.evaluation is not None}
        self._told: set[int] = set()  # hashes of the lines so far
        self._left = _TEXT_BUDGET
        self._sources: dict[str, highlight.Source] = {}
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
            reward_value=0.0 if node.reward is None else node.reward.value,
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
            limit=parts.limit(evaluation),
            flags=parts.flags(node, parent),
            source=self._source(node),
            diff=self._diff(node, parent),
            hot=parts.hot(evaluation, node),
            report=parts.report(evaluation),
            heat=parts.heat(evaluation),
            checks=() if evaluation is None else parts.checks(evaluation),
            metrics=self._metrics(node, parent),
            facts=self._facts(node, parent),
            terms=() if node.reward is None else node.reward.terms,
            resources=() if evaluation is None else parts.resources(evaluation),
            findings=() if evaluation is None else parts.findings(evaluation),
            stages=() if evaluation is None else parts.stages(evaluation),
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
        """`text` whole while the report has room for it, counting what no text before it had."""
        new = {hash(line): len(line) for line in text.split("\n") if hash(line) not in self._told}
        most = _TEXT_MOST if (size := sum(new.values())) <= self._left else _TEXT_LEAST
        if most == _TEXT_MOST:
            self._left -= size
            self._told.update(new)
        name = digest.of_bytes(text.encode()) if len(text) > most else ""
        return diff.cut(text, most, f"in the run folder as blobs/{name[:2]}/{name[2:]}")

    def _source(self, node: Node) -> highlight.Source:
        """In coloured lines; a candidate that is its parent's or another's again is read once."""
        text = "" if node.candidate is None else node.candidate.source
        if text not in self._sources:
            self._sources[text] = highlight.source(text, python=self._python)
        return self._sources[text]

    def _diff(self, node: Node, parent: Node | None) -> tuple[diff.Pair, ...]:
        if node.candidate is None or parent is None or parent.candidate is None:
            return ()
        return diff.side_by_side(self._source(parent), self._source(node), _ROWS)

    def _profiles(self, node: Node, parent: Node | None) -> tuple[Profile | None, Profile | None, Profile | None]:
        own, above, first = (None if n is None or n.evaluation is None else n.evaluation.profile for n in (node, parent, self._baseline))
        return own, above, first

    def _metrics(self, node: Node, parent: Node | None) -> tuple[Row, ...]:
        own, above, first = self._profiles(node, parent)
        if own is None:
            return ()
        return tuple(
            Row(name, (words.quantity(metric.value, metric.unit), parts.counter(above, name), parts.counter(first, name)))
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
