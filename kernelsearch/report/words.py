"""Numbers and nodes as a person reads them: the same words in the terminal and in the report.

Times are in µs. A modelled time is called so in every heading (`unit`), never in the cells.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from kernelsearch.model import Confirmation, Evaluation, Node, Outcome, Profile, RunSpec, Usage, Verdict
from kernelsearch.model.roles import ALONE
from kernelsearch.model.run import LOCAL

DASH = "–"
_SPEED_OF_LIGHT = "speed of light %"  # as `diagnose` names the figure
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TELLING = 0.03  # a figure that moved by less than this is not what made the difference
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def unit(time_kind: str) -> str:
    """The heading of a column of times: "µs" on hardware, "modelled µs" on the emulated device."""
    return "µs" if time_kind == "measured" else "modelled µs"


def time(us: float | None) -> str:
    """A time in µs with three to four figures that matter."""
    if us is None:
        return DASH
    return f"{us:,.0f}" if us >= 10_000 else f"{us:,.1f}" if us >= 100 else f"{us:.2f}" if us >= 1 else f"{us:.3g}"


def ratio(value: float | None) -> str:
    """A speed-up: 2.92x."""
    return DASH if value is None else f"{value:.2f}x"


def gained(speedup: float) -> bool:
    """Whether a speed-up is more than the 1.00x that it would be told as."""
    return speedup >= 1.005


def geometric_mean(values: Sequence[float]) -> float | None:
    """None for no values."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def percent(value: float | None, digits: int = 0) -> str:
    return DASH if value is None else f"{value * 100:.{digits}f} %"


def money(usd: float) -> str:
    return f"${usd:.2f}" if usd == 0 or usd >= 0.01 else f"${usd:.4f}"


def duration(seconds: float) -> str:
    """Wall clock: 850 ms, 61 s, 12 min 3 s, 2 h 5 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def quantity(value: float, unit_name: str = "") -> str:
    """A counter in base units, with a decimal prefix when it is large: 33.6 Mbyte, 92.1 %."""
    if not math.isfinite(value):
        return str(value)
    if unit_name in ("ns", "nsecond"):
        return f"{time(value / 1000)} µs"
    for size, prefix in _PREFIXES:
        if abs(value) >= size and unit_name != "%":
            return f"{value / size:.3g} {prefix}{unit_name}".rstrip()
    text = f"{value:.0f}" if value == int(value) else f"{value:.3g}"
    return f"{text} {unit_name}".rstrip()


def tokens(usage: Usage) -> str:
    """What a model was given and gave: "12,400 in (8,000 cached), 900 out", and how much of it no server counted."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    guessed = f", {usage.estimated_tokens:,} of them estimated" if usage.estimated_tokens else ""
    return f"{usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out{guessed}"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 candidate, 24 candidates."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def status(node: Node) -> str:
    """The verdict in a word or two; for an attempt without one, what became of it."""
    if node.attempt.outcome is Outcome.EVALUATED and node.evaluation is not None:
        return node.evaluation.verdict.value
    return node.attempt.outcome.value


def kind(node: Node) -> str:
    """The class of a node for colours: good, wrong, broken, foul, idle."""
    if node.attempt.outcome is not Outcome.EVALUATED or node.evaluation is None:
        return "idle"
    return _KINDS[node.evaluation.verdict]


_KINDS = {
    Verdict.PASSED: "good",
    Verdict.WRONG: "wrong",
    Verdict.NONDETERMINISTIC: "wrong",
    Verdict.HAZARD: "wrong",
    Verdict.BUILD_FAILED: "broken",
    Verdict.CRASHED: "broken",
    Verdict.TIMED_OUT: "broken",
    Verdict.UNSUPPORTED: "broken",
    Verdict.REJECTED: "foul",
    Verdict.IMPLAUSIBLE: "foul",
    Verdict.CHEATED: "foul",
}


def directive(node: Node) -> str:
    """The short name of the edit: what the proposer called it, else what the strategy asked for."""
    if node.attempt.proposal is None:
        return "baseline"
    if node.attempt.proposal.repeat:
        return "once more"
    if node.attempt.proposal.by_hand:
        return "by hand"
    asked = node.attempt.proposal.directive or "no edit"
    return asked if node.candidate is None else node.candidate.origin.directive or asked


def speedup(node: Node, baseline: Node) -> float | None:
    """Baseline time over the node's own; None unless both passed, and in times of one kind."""
    if node.evaluation is None or baseline.evaluation is None or not (node.passed and baseline.passed):
        return None
    ours, theirs = node.evaluation.measurement, baseline.evaluation.measurement
    if ours is None or theirs is None or ours.kind is not theirs.kind:
        return None
    return ours.speedup_over(theirs)


def clean(text: str) -> str:
    """`text` without control characters, which could move a terminal's cursor or hide words; line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def first_line(text: str, width: int = 100) -> str:
    """The first line that says something, cut to `width`."""
    line = clean(next((line.strip() for line in text.splitlines() if line.strip()), "")).replace("\t", " ")
    return line if len(line) <= width else line[: width - 1] + "…"


def why(node: Node, parent: Node | None, width: int = 100) -> str:
    """The reason behind a node's outcome: figures that moved against its parent, or the first thing that went wrong."""
    evaluation = node.evaluation
    if evaluation is None or node.attempt.outcome is not Outcome.EVALUATED:
        return first_line(node.attempt.detail, width)
    if not evaluation.passed:
        return first_line(evaluation.detail, width)
    if evaluation.confirmation is not None and not evaluation.confirmation.held:
        return first_line(f"did not hold: {precisely(evaluation.confirmation)} the incumbent", width)
    before = None if parent is None or parent.evaluation is None else parent.evaluation.profile
    if evaluation.profile is None:
        return ""
    if before is None:
        return bottleneck(evaluation)
    return first_line("; ".join(changes(before, evaluation.profile)[:3]), width)


def precisely(trial: Confirmation) -> str:
    """What a second trial found, to a tenth of a per cent: "1.003x [0.998, 1.008]"; in its own words where there were no pairs."""
    found = trial.measurement
    if found.speedup is None or found.interval is None:
        return trial.detail
    return f"{found.speedup:.3f}x [{found.interval.low:.3f}, {found.interval.high:.3f}]"


def bottleneck(evaluation: Evaluation) -> str:
    """The named limit with its evidence; empty without a profile."""
    found = None if evaluation.profile is None else evaluation.profile.bottleneck
    return "" if found is None else f"{found.resource.value}: {found.evidence}"


def speed_of_light(node: Node) -> str:
    """How much of the hardware's limit the kernel reaches: "63 %"; a dash where it is not known."""
    profile = None if node.evaluation is None else node.evaluation.profile
    figure = None if profile is None else profile.facts.get(_SPEED_OF_LIGHT)
    return DASH if figure is None else f"{figure} %"


def changes(before: Profile, after: Profile) -> list[str]:
    """Derived figures that moved, the largest relative move first: "sectors/request 18.5 -> 4.0".

    Speed of light is left out: it is the outcome, and has a column of its own.
    """
    moved = []
    for name, new in after.facts.items():
        old = before.facts.get(name)
        if name != _SPEED_OF_LIGHT and old is not None and (size := _move(old, new)) > _TELLING:
            plain, percent_sign = (name[:-2], " %") if name.endswith(" %") else (name, "")
            moved.append((size, f"{plain} {old} -> {new}{percent_sign}"))
    moved.sort(key=lambda entry: -entry[0])
    return [text for _, text in moved]


def _move(old: str, new: str) -> float:
    """How far a figure moved, as |ln(new/old)|; figures that do not begin with a number count as 1."""
    first, second = _NUMBER.match(old.strip()), _NUMBER.match(new.strip())
    if first is None or second is None:
        return float(old != new)
    low, high = sorted(abs(float(match.group().replace(",", ""))) for match in (first, second))
    if low == high:
        return 0.0
    return math.inf if low == 0 else math.log(high / low)


def command(spec: RunSpec) -> str:
    """The command that makes the run again; a task file of that name must lie at hand."""
    parts = ["kernelsearch", "optimize", spec.task_name]
    chosen = {
        "--llm": spec.proposer,
        "--roles": None if spec.roles == ALONE else ",".join(spec.roles),
        "--device": spec.device,
        "--hardware": spec.hardware,
        "--strategy": spec.strategy,
        "--reward": spec.reward,
        "--metrics": spec.metrics,
        "--budget": spec.budget.candidates,
        "--minutes": spec.budget.minutes,
        "--usd": spec.budget.usd,
        "--tokens": spec.budget.tokens,
        "--parallel": spec.parallel,
        "--worker": None if spec.worker == LOCAL else spec.worker,
        "--seed": spec.seed,
        "--secret": spec.secret,
        "--base-url": spec.proposer_options.get("base_url"),
    }
    for option, value in chosen.items():
        if value not in (None, ""):
            parts += [option, str(value) if not isinstance(value, float) else f"{value:g}"]
    for name, number in spec.strategy_options.items():
        parts += ["--strategy-option", f"{name}={number:g}"]
    if spec.unsafe:
        parts.append("--unsafe")
    if spec.thoughts:
        parts.append(f"# without the {count(len(spec.thoughts), 'thought')} that it began with: these are in run.json alone")
    return " ".join(parts)
