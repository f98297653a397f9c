"""From nodes to what a reader is shown: plain values, no markup, no files.

Everything in a view is text or a number ready to print; what is compared with what (parent, baseline) is settled here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kernelsearch.llm.recording import Exchange
from kernelsearch.model import Environment, Form, Hardware, Node, RewardProfile, RunSpec, Task, Totals
from kernelsearch.report import diff, evidence, ledger, roofline, words
from kernelsearch.report.node import NodeView, NodeViews
from kernelsearch.report.steps import Step, steps
from kernelsearch.report.timing import Row
from kernelsearch.store.journal import supersedes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run as it was read: the input of `build`. `damaged` tells of a journal line that is not whole; `answers` are all exchanges with
    models, `unread` says why they are not there."""

    task: Task
    spec: RunSpec
    environment: Environment
    nodes: tuple[Node, ...]
    totals: Totals
    started: str
    version: str
    folder: str
    damaged: str | None = None
    rewards: RewardProfile | None = None  # the weights that the run began with, where they were recorded
    hardware: Hardware | None = None  # of the device, where a profile of it is known
    answers: tuple[Exchange, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The whole report. `verified` counts the inputs whose outputs were compared with the reference for the best kernel,
    `unshown` names what has a shorter time and does not count as faster."""

    task: Task
    environment: Environment
    folder: str
    started: str
    version: str
    unit: str
    modelled: bool
    reference: str
    damaged: str | None
    command: str
    nodes: tuple[NodeView, ...]
    path: tuple[NodeView, ...]
    baseline: NodeView
    best: NodeView
    steps: tuple[Step, ...]
    best_diff: tuple[diff.Pair, ...]
    verified: int
    unshown: str
    counts: tuple[tuple[str, str, int], ...]
    roofline: roofline.Chart | str
    ledger: tuple[Row, ...]
    activities: Mapping[str, float]
    models: tuple[Row, ...]
    roles: tuple[Row, ...]
    answers: tuple[Exchange, ...]
    unread: str
    replay: str
    choices: tuple[Row, ...]


def build(record: Record) -> RunView:
    """The view of a run with at least its baseline recorded. Raises `ValueError` for an empty run."""
    if not record.nodes:
        raise ValueError("a run without nodes has nothing to show")
    baseline = record.nodes[0]
    best = best_of(record.nodes)
    path = lineage(record.nodes, best.number)
    python = record.task.form is Form.TORCH
    maker = NodeViews(record.nodes, baseline, bests(record.nodes), frozenset(node.number for node in path), python=python)
    ready = {node.number: maker.view(node) for node in path}  # first, so that it has its texts whole
    views = tuple(ready[node.number] if node.number in ready else maker.view(node) for node in record.nodes)
    return RunView(
        task=record.task,
        environment=record.environment,
        folder=record.folder,
        started=record.started,
        version=record.version,
        unit=words.unit(record.environment.time_kind),
        modelled=record.environment.time_kind != "measured",
        reference=_reference(record.task),
        damaged=record.damaged,
        command=words.command(record.spec),
        nodes=views,
        path=tuple(views[node.number] for node in path),
        baseline=views[0],
        best=views[best.number],
        steps=steps(path, views),
        best_diff=diff.side_by_side(views[0].source, views[best.number].source, most=5_000),
        verified=0 if best.evaluation is None else len(best.evaluation.checks),
        unshown=evidence.unshown_line(record.nodes, best, words.unit(record.environment.time_kind)),
        counts=counts(record.nodes),
        roofline=roofline.chart(record.task, record.nodes, record.hardware),
        ledger=_ledger(record),
        activities=ledger.activities(record.nodes),
        models=ledger.by_model(record.nodes),
        roles=ledger.by_role(record.nodes),
        answers=record.answers,
        unread=record.unread,
        replay=words.command(replace(record.spec, proposer=f"replay:{record.folder}")) if record.answers else "",
        choices=_choices(record.spec),
    )


def bests(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """What was the best in turn, the baseline first: what was shown to be faster, as the journal has it, and not what had a short time."""
    found = [nodes[0]]
    for node in nodes[1:]:
        if node.passed and supersedes(node, found[-1]):
            found.append(node)
    return tuple(found)


def best_of(nodes: Sequence[Node]) -> Node:
    """The last that was shown to be faster than the best before it; the baseline when none was."""
    return bests(nodes)[-1]


def lineage(nodes: Sequence[Node], number: int) -> tuple[Node, ...]:
    """The way from the baseline to a node, both ends included."""
    way = [nodes[number]]
    while (parent := way[-1].parent) is not None:
        way.append(nodes[parent])
    return tuple(reversed(way))


def counts(nodes: Sequence[Node]) -> tuple[tuple[str, str, int], ...]:
    """Status, colour class and number of attempts, most frequent first; the baseline is not an attempt."""
    tally = Counter((words.status(node), words.kind(node)) for node in nodes[1:])
    return tuple((status, kind, number) for (status, kind), number in tally.most_common())


def _reference(task: Task) -> str:
    if task.reference is None:
        return "the baseline's own output: a fault of the baseline would not be seen"
    return f"{task.reference.function}, NumPy in float64"


def _ledger(record: Record) -> tuple[Row, ...]:
    usage = record.totals.usage
    held = sum(node.evaluation.held_s for node in record.nodes if node.evaluation and node.attempt.outcome in ledger.JUDGED)
    rows = [
        Row("candidates", (f"{record.totals.candidates:,}",)),
        Row("wall clock", (words.duration(record.totals.seconds),)),
        Row("work of all attempts", (words.duration(sum(node.attempt.seconds for node in record.nodes)),)),
        *((Row("with the device held", (words.duration(held),)),) if held else ()),
        Row("model calls", (f"{usage.calls:,}",)),
    ]
    if usage.calls:
        rows += [Row("tokens", (words.tokens(usage),)), Row("waiting for the model", (words.duration(usage.seconds),))]
    return (*rows, Row("money", (words.money(usage.usd),)))


def _choices(spec: RunSpec) -> tuple[Row, ...]:
    limits = [
        words.count(spec.budget.candidates, "candidate") if spec.budget.candidates is not None else "",
        f"{spec.budget.minutes:g} min" if spec.budget.minutes is not None else "",
        words.money(spec.budget.usd) if spec.budget.usd is not None else "",
    ]
    return (
        Row("proposer", (spec.proposer,)),
        Row("strategy", (spec.strategy, *((f"chosen: {spec.strategy_reason}",) if spec.strategy_reason else ()))),
        Row("budget", (", ".join(filter(None, limits)) or "none",)),
        Row("reward profile", (spec.reward,)),
        Row("metric set", (spec.metrics,)),
        Row("attempts at a time", (str(spec.parallel),)),
        Row("seed", (str(spec.seed),)),
    )
