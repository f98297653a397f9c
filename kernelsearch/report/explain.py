"""The reward of one node explained: what it was judged by, each term's part, and what changed against its parent. Pure; words ready to
print, for one screen of a terminal.

What is compared with what is settled here: times and counters with the parent's, the speed-up with the baseline's. A speed-up over the
parent is the quotient of two, each in pairs with the baseline; its interval is as wide as both together, so it is never too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelsearch.errors import UsageError
from kernelsearch.model import Evaluation, Interval, Node, Outcome, Reward, RewardProfile, Term
from kernelsearch.model.reward import LADDER
from kernelsearch.report import evidence, words
from kernelsearch.report.node import sentence
from kernelsearch.report.rescore import Rewards
from kernelsearch.report.view import Record, best_of
from kernelsearch.score import UNKNOWN, floors


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the ladder: its verdicts, the value of their gates, and whether it is where the node stands."""

    verdicts: str
    value: float
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """How many times as fast as another kernel, with its interval where there is one."""

    ratio: float
    interval: Interval | None = None

    def __str__(self) -> str:
        bounds = "" if self.interval is None else f" [{self.interval.low:.2f}, {self.interval.high:.2f}]"
        return f"{words.ratio(self.ratio)}{bounds}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`lines` are named sentences in order; `terms` have the largest part first, `unknown` are those that nothing was recorded for."""

    node: Node
    title: str
    lines: tuple[tuple[str, str], ...]
    reward: Reward | None
    profile: RewardProfile
    others: tuple[tuple[str, float], ...]  # rewards of parent and baseline, to hold it against
    terms: tuple[Term, ...]
    unknown: tuple[Term, ...]
    rungs: tuple[Rung, ...]
    over_baseline: Over | None = None
    over_parent: Over | None = None
    floor_us: float | None = None
    changes: tuple[str, ...] = ()


def explain(record: Record, number: int | None, profile: RewardProfile, rewards: Rewards) -> Explanation:
    """Of node `number`, the best where none is named. Raises `UsageError` for a number that the run does not have."""
    nodes = record.nodes
    if number is not None and not 0 <= number < len(nodes):
        raise UsageError(f"{record.folder} has no node {number}; the last is {len(nodes) - 1}")
    node = best_of(nodes) if number is None else nodes[number]
    parent = None if node.parent is None else nodes[node.parent]
    reward = rewards[node.number]
    found = _terms(reward)
    named = [("baseline", 0)] if parent is None or parent.number == 0 else [(f"#{parent.number}", parent.number), ("baseline", 0)]
    return Explanation(
        node=node,
        title=_title(record, node),
        lines=_lines(record, node, parent),
        reward=reward,
        profile=profile,
        others=tuple((name, other.value) for name, n in named if n != node.number and (other := rewards[n]) is not None),
        terms=tuple(term for term in found if term.note != UNKNOWN),
        unknown=tuple(term for term in found if term.note == UNKNOWN),
        rungs=_rungs(profile, reward),
        over_baseline=None if node.number == 0 else over(node, nodes[0], nodes[0]),
        over_parent=None if parent is None or parent.number == 0 else over(node, parent, nodes[0]),
        floor_us=_floor(node, nodes[0])[0],
        changes=tuple(_changes(node, parent)),
    )


def _terms(reward: Reward | None) -> Sequence[Term]:
    return () if reward is None else sorted(reward.terms, key=lambda term: -abs(term.contribution))


def _rungs(profile: RewardProfile, reward: Reward | None) -> tuple[Rung, ...]:
    """The ladder for a node that stopped on it, the lowest rung first; nothing for one that passed."""
    if reward is None or reward.gate is None:
        return ()
    by_value: dict[float, list[str]] = {}
    for verdict in (verdict for rung in LADDER for verdict in rung):
        by_value.setdefault(profile.gates.get(verdict.value, 0.0), []).append(verdict.value)
    return tuple(Rung(verdicts=", ".join(names), value=value, here=reward.gate in names) for value, names in sorted(by_value.items()))


def over(node: Node, other: Node, baseline: Node) -> Over | None:
    """`node` over `other`: by the second trial where that was against it, else by what both showed against the baseline."""
    trial = None if node.evaluation is None else node.evaluation.confirmation
    if trial is not None and other.evaluation is not None and trial.against == other.evaluation.candidate and trial.measurement.speedup:
        return Over(ratio=trial.measurement.speedup, interval=trial.measurement.interval)
    ours, theirs = words.speedup(node, baseline), words.speedup(other, baseline)
    if ours is None or theirs is None:
        return None
    if other.number == baseline.number:
        return Over(ratio=ours, interval=_interval(node))
    mine, its = _interval(node), _interval(other)
    if mine is None or its is None:
        return Over(ratio=ours / theirs)
    sure = max(0.0, mine.confidence + its.confidence - 1.0)
    return Over(ratio=ours / theirs, interval=Interval(low=mine.low / its.high, high=mine.high / its.low, confidence=sure))


def _interval(node: Node) -> Interval | None:
    measurement = None if node.evaluation is None else node.evaluation.measurement
    return None if measurement is None else measurement.interval


def _title(record: Record, node: Node) -> str:
    made = "the baseline" if node.parent is None else f"{words.directive(node)} on #{node.parent}"
    best = ", shown to be the fastest" if node.number == best_of(record.nodes).number and node.number else ""
    return f"#{node.number} of {record.task.name} · {words.status(node)}{best} · {made}"


def _lines(record: Record, node: Node, parent: Node | None) -> tuple[tuple[str, str], ...]:
    """What is known, from verdict to evidence; a line that has nothing to say is left out."""
    evaluation = node.evaluation
    found = [
        ("verdict", "" if node.passed and node.attempt.outcome is Outcome.EVALUATED else sentence(node)),
        ("why", "" if node.passed else words.first_line(_detail(node), 300)),
        ("time", _time(record, node, parent)),
        ("floor", _light(record, node, parent)),
        ("limit", "" if evaluation is None else _limit(evaluation)),
        ("edit", "" if node.candidate is None or parent is None else words.first_line(node.candidate.origin.summary, 300)),
        ("changed", "; ".join(_changes(node, parent))),
        ("checked", "" if evaluation is None or not evaluation.passed else _checked(evaluation)),
    ]
    return tuple((name, text) for name, text in found if text)


def _detail(node: Node) -> str:
    return node.attempt.detail or ("" if node.evaluation is None else node.evaluation.detail)


def _time(record: Record, node: Node, parent: Node | None) -> str:
    measurement = None if node.evaluation is None or not node.passed else node.evaluation.measurement
    if measurement is None:
        return ""
    told = measurement.interval is not None and node.number  # which says more than the spread
    spread = f" ± {words.percent(measurement.spread / 2, 1)}" if len(measurement.timings[0].samples_us) > 1 and not told else ""
    parts = [f"{words.time(node.time_us)} {words.unit(record.environment.time_kind)}{spread}"]
    if node.number and (first := over(node, record.nodes[0], record.nodes[0])) is not None:
        parts.append(f"{first} the baseline")
    if parent is not None and parent.number and (step := over(node, parent, record.nodes[0])) is not None:
        parts.append(f"{step} #{parent.number}")
    return " · ".join(parts)


def _floor(node: Node, baseline: Node) -> tuple[float | None, float | None]:
    """The floor of the slowest case that has one, and the share of the speed of light that the node reaches there."""
    own, base = node.evaluation, baseline.evaluation
    if own is None or base is None or own.measurement is None or not own.passed:
        return None, None
    known = floors(own, base)
    timings = [timing for timing in own.measurement.timings if timing.case in known]
    if not timings:
        return None, None
    slowest = max(timings, key=lambda timing: timing.median_us)
    return known[slowest.case], known[slowest.case] / slowest.median_us


def _light(record: Record, node: Node, parent: Node | None) -> str:
    floor, share = _floor(node, record.nodes[0])
    if floor is None or share is None:
        return ""
    others = [("baseline", record.nodes[0])] if node.number else []
    if parent is not None and parent.number:
        others.append((f"#{parent.number}", parent))
    shares = [f"{name} {_percent(found)}" for name, other in others if (found := _floor(other, record.nodes[0])[1]) is not None]
    aside = f" ({', '.join(shares)})" if shares else ""
    return f"{words.time(floor)} µs · {_percent(share)} of speed of light{aside}"


def _percent(share: float) -> str:
    return words.percent(share, 0 if share >= 0.1 else 1)


def _limit(evaluation: Evaluation) -> str:
    """The diagnosis with its evidence; where there were no counters, why."""
    if (told := words.bottleneck(evaluation)) or evaluation.profile is None:
        return told
    return f"not named: {'; '.join(evaluation.profile.notes) or 'the counters tell of none'}"


def _changes(node: Node, parent: Node | None) -> list[str]:
    before = None if parent is None or parent.evaluation is None else parent.evaluation.profile
    after = None if node.evaluation is None else node.evaluation.profile
    return [] if before is None or after is None else words.changes(before, after)


def _checked(evaluation: Evaluation) -> str:
    return "; ".join(filter(None, (evidence.verified(evaluation), evidence.trust(evaluation))))
