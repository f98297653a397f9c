"""What a person is shown of a run while it goes on: the same lines on a terminal and in a pipe. Pure: events in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kernelsearch.model import Arg, ArgKind, Budget, DType, Node, Outcome, Task, Totals
from kernelsearch.model.run import GPUS, LOCAL, RAY, SPOOL
from kernelsearch.propose.forecast import Forecast
from kernelsearch.report import evidence, words
from kernelsearch.report.view import best_of
from kernelsearch.search import NodeDone, Result, Started

NAME = 13  # width of the names at the left of the head and the end


@dataclass(slots=True)
class Progress:
    """A run so far. `add` takes nodes in order; the rest answers questions about them."""

    started: Started
    nodes: list[Node] = field(default_factory=list)
    best: Node | None = None
    totals: Totals = Totals()
    pending: int = 0

    def __post_init__(self) -> None:
        self.nodes.extend(self.started.nodes)
        self.best = best_of(self.nodes) if self.nodes else None

    def add(self, event: NodeDone) -> None:
        self.nodes.append(event.node)
        self.best, self.totals, self.pending = event.best, event.totals, event.pending

    @property
    def baseline(self) -> Node:
        return self.nodes[0]

    def parent(self, node: Node) -> Node | None:
        return None if node.parent is None else self.nodes[node.parent]

    def speedup(self) -> float | None:
        """Of the best so far over the baseline."""
        return None if self.best is None else words.speedup(self.best, self.baseline)

    def cells(self, node: Node) -> tuple[str, ...]:
        """The columns of one attempt: number, parent, directive, verdict, time, speed-up, speed of light, why."""
        return (
            str(node.number),
            "" if node.parent is None else str(node.parent),
            words.first_line(words.directive(node), 24),
            words.status(node),
            words.time(node.time_us),
            words.ratio(words.speedup(node, self.baseline)),
            words.speed_of_light(node),
            words.why(node, self.parent(node), 80),
        )


def head(started: Started) -> list[str]:
    """What is about to happen, before the first attempt."""
    environment, spec = started.environment, started.spec
    modelled = environment.time_kind != "measured"
    taken = "modelled: nothing below was measured" if modelled else "measured"
    lines = [
        *described(started.task),
        f"{'device':<{NAME}}{environment.device}, {taken} · sandbox: {environment.sandbox}",
        f"{'proposer':<{NAME}}{spec.proposer} · strategy {spec.strategy} · budget {budget(spec.budget)} · seed {spec.seed}",
    ]
    if spec.worker != LOCAL:
        lines.insert(-1, f"{'':<{NAME}}{judged_at(spec.worker)}")
    if spec.strategy_reason:
        lines.append(f"{'':<{NAME}}{spec.strategy} was chosen: {spec.strategy_reason}")
    if started.forecast is not None:
        lines.append(f"{'model':<{NAME}}{expected(started.forecast, spec.budget)}")
    if started.nodes:
        lines.append(f"{'resumed':<{NAME}}{words.count(len(started.nodes), 'node')} recorded before")
    return lines


def judged_at(worker: str) -> str:
    """Where candidates are judged, if that is not this process, by the name of the place in a specification."""
    kind, _, rest = worker.partition(":")
    if kind == GPUS:
        return f"judged side by side on {f'the GPUs {rest}' if rest else 'all GPUs of this machine'}"
    if kind == RAY:
        return f"judged on {f'the Ray cluster at {rest}' if rest else 'a Ray cluster of this machine'}"
    return f"judged by the workers at {worker.removeprefix(SPOOL)}"


def expected(forecast: Forecast, limits: Budget) -> str:
    """What models will be asked and will cost, as far as that can be told before."""
    attempt = forecast.attempt
    text = f"an attempt reads some {attempt.input_tokens:,} tokens and writes some {attempt.output_tokens:,} (estimated)"
    if not forecast.known:
        return f"{text}; {', '.join(model.name for model in forecast.models if not model.known)}: no price known"
    if not attempt.usd:
        return f"{text}; no bill"
    whole = f", {limits.candidates} of them {words.money(limits.candidates * attempt.usd)}" if limits.candidates else ""
    return f"{text}: {words.money(attempt.usd)}{whole}, by prices of {max(model.date for model in forecast.models)}"


def described(task: Task) -> list[str]:
    """Name, signature, reference and assumptions of a task."""
    inputs = ", ".join(map(_tensor, task.inputs))
    outputs = ", ".join(map(_tensor, task.outputs))
    entry = f"{task.entry}({', '.join(arg.name for arg in task.args)})" if task.entry else ", ".join(arg.name for arg in task.args)
    reference = "the baseline itself" if task.reference is None else task.reference.function
    lines = [f"{f'{task.name} ':<{NAME}}{task.form.value} {entry} · reads {inputs or 'nothing'} · writes {outputs}{_numbers(task)}"]
    kinds = words.count(len(task.distributions), "kind")
    lines.append(f"{'':<{NAME}}reference: {reference} · {words.count(len(task.cases), 'case')} x {kinds} of input")
    return lines + [f"{'':<{NAME}}assumed {text}" for text in task.assumptions]


def _numbers(task: Task) -> str:
    """Types of numbers and sizes, where they are not what one would take them for."""
    odd = [
        f"{arg.name} {arg.dtype.value}" for arg in task.args if arg.kind in (ArgKind.SIZE, ArgKind.SCALAR) and arg.dtype is not DType.I32
    ]
    return f" · takes {', '.join(odd)}" if odd else ""


def _tensor(arg: Arg) -> str:
    return f"{arg.name}[{', '.join(map(str, arg.shape))}] {arg.dtype.value}"


def budget(limits: Budget) -> str:
    """The limits of a run in words."""
    parts = [
        words.count(limits.candidates, "candidate") if limits.candidates is not None else "",
        f"{limits.minutes:g} min" if limits.minutes is not None else "",
        words.money(limits.usd) if limits.usd is not None else "",
        words.count(limits.tokens, "token") if limits.tokens is not None else "",
    ]
    return ", ".join(filter(None, parts)) or "without limit"


def baseline_line(progress: Progress) -> str:
    """The time to beat, with what holds it back."""
    node, kind = progress.baseline, progress.started.environment.time_kind
    limit = "" if node.evaluation is None else words.bottleneck(node.evaluation)
    line = f"{'baseline':<{NAME}}{words.time(node.time_us)} {words.unit(kind)}{_spread(node)}{_light(node)}"
    return f"{line}\n{'':<{NAME}}{limit}" if limit else line


def _light(node: Node) -> str:
    figure = words.speed_of_light(node)
    return "" if figure == words.DASH else f", {figure} of speed of light"


def _spread(node: Node) -> str:
    measurement = None if node.evaluation is None else node.evaluation.measurement
    return f" ± {words.percent(measurement.spread / 2, 1)}" if measurement is not None and measurement.spread else ""


def told(node: Node) -> bool:
    """Whether an attempt has a line of its own. That nothing was left to try is counted at the end instead."""
    return node.attempt.outcome is not Outcome.EXHAUSTED


def columns(unit: str) -> str:
    """The heading over the attempts."""
    return row(("#", "from", "directive", "verdict", unit, "x", "SOL", "what changed on the hardware"))


def row(cells: Sequence[str]) -> str:
    """One line of the table of attempts."""
    number, parent, directive, verdict, time, speedup, light, why = cells
    return f"{number:>4}  {parent:>4}  {directive:<24}  {verdict:<16}  {time:>11}  {speedup:>7}  {light:>5}  {why}".rstrip()


def tail(result: Result, progress: Progress, *, report: str, kept: str | None) -> list[str]:
    """What the run came to: the best, what speaks for it, where it is kept, what it cost."""
    started = progress.started
    added = f" and {result.totals.by_hand} by hand" if result.totals.by_hand else ""
    cost = f"{words.count(result.totals.candidates, 'candidate')}{added}, {words.duration(result.totals.seconds)}"
    usage = result.totals.usage
    if usage.tokens or usage.usd:
        cost += f", {words.money(usage.usd)} for {words.tokens(usage)}"
    elif usage.calls:  # a mailbox, say: nought would read as if it had been counted
        cost += f", {words.count(usage.calls, 'answer')} of a model whose tokens are not known"
    lines = _best(result, progress)
    if kept:
        lines.append(f"{'kept':<{NAME}}{kept}{_flags(result.best, result.baseline)}")
    lines.append(f"{'ended':<{NAME}}{result.ended} · {cost}")
    if spent := sum(not told(node) for node in progress.nodes):
        lines.append(f"{'used up':<{NAME}}{words.count(spent, 'kernel')}: nothing was left to try there that had not been judged")
    if started.environment.sandbox.startswith("none"):
        lines.append(f"{'unsafe':<{NAME}}candidates ran without a sandbox, as --unsafe allowed")
    return [*lines, f"{'report':<{NAME}}{report}"]


def _best(result: Result, progress: Progress) -> list[str]:
    best, unit = result.best, words.unit(progress.started.environment.time_kind)
    evaluation = best.evaluation
    if best.number == 0 or evaluation is None or not words.gained(result.speedup):
        by = " by 0.5 %" if best.number else ""
        lines = [f"{'best':<{NAME}}the baseline: no attempt was faster{by} ({result.ended})"]
    else:
        figure = f"{words.ratio(result.speedup)} {evidence.bounds(best)}".rstrip()
        time = f"{words.time(best.time_us)} {unit}{_spread(best)}"
        lines = [f"{'best':<{NAME}}#{best.number}  {time}, {figure}{_light(best)}; {evidence.verified(evaluation)}"]
        conditions = "" if evaluation.measurement is None else evidence.conditions(evaluation.measurement)
        lines += [f"{name:<{NAME}}{text}" for name, text in (("checked", evidence.trust(evaluation)), ("timed", conditions)) if text]
    unshown = evidence.unshown_line(progress.nodes, best, unit)
    return [*lines, f"{'not shown':<{NAME}}{unshown}"] if unshown else lines


def _flags(best: Node, baseline: Node) -> str:
    own = () if best.candidate is None else best.candidate.flags
    return "" if baseline.candidate is None or own == baseline.candidate.flags else f" (to be built with {' '.join(own)})"
