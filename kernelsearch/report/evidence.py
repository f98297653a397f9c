"""How sure a result is, in words: the interval of a speed-up, what was checked, what a second trial showed, and the state of the GPU.

The same phrases in the terminal and in the report. Nothing is said that was not looked at: a kernel that no sanitizer saw is not clean.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernelsearch import guard
from kernelsearch.measure.statistics import MIN_EFFECT
from kernelsearch.model import Evaluation, Measurement, Node, Outcome
from kernelsearch.order_statistics import CONFIDENCE
from kernelsearch.report import words

_CLOCK = "sm clock MHz while timed"  # as the devices name these conditions
_REPEATED = "pairs repeated as clocks were held down"
_THROTTLED, _STATE = "throttled", "state"


def interval(measurement: Measurement | None) -> str:
    """Of the speed-up over the rival: "[4.27, 4.31]", with its confidence where that is not the usual; empty without pairs."""
    found = None if measurement is None else measurement.interval
    if found is None:
        return ""
    sure = "" if found.confidence >= CONFIDENCE else f" at {words.percent(found.confidence)}"
    return f"[{found.low:.2f}, {found.high:.2f}]{sure}"


def speedup(node: Node, baseline: Node) -> str:
    """Over the baseline, with its interval where there is one: "4.29x [4.27, 4.31]"."""
    ratio = words.ratio(words.speedup(node, baseline))
    return ratio if node.number == baseline.number else f"{ratio} {bounds(node)}".rstrip()


def bounds(node: Node) -> str:
    """The interval alone, of a node that passed."""
    return interval(node.evaluation.measurement) if node.passed and node.evaluation is not None else ""


def verified(evaluation: Evaluation | None) -> str:
    """How many sets of inputs gave right outputs, those of timed calls and of a second trial among them."""
    return words.count(0 if evaluation is None else len(evaluation.checks), "input") + " verified"


def sanitised(evaluation: Evaluation) -> str:
    """What was looked at beyond the outputs; empty for a kernel that never looked like the best."""
    doubtful = [hazard for hazard in evaluation.hazards if hazard.doubt]
    if evaluation.unsanitised:
        return f"not sanitised: {words.first_line(evaluation.unsanitised)}"
    if doubtful:
        return f"sanitizer: {words.count(len(doubtful), 'doubtful report')}"
    if evaluation.confirmation is None:
        return ""
    return "every access checked" if evaluation.environment.time_kind == "modelled" else "sanitizer clean"


def confirmed(evaluation: Evaluation, rival: str = "the incumbent") -> str:
    """What the second trial showed; empty when there was none."""
    trial = evaluation.confirmation
    if trial is None:
        return ""
    if not trial.held:
        return f"did not hold when run again: {words.precisely(trial)} over {rival}"
    if trial.measurement.speedup is None:
        return "run again on fresh inputs"
    return f"re-timed in a fresh process, {words.ratio(trial.measurement.speedup)} {interval(trial.measurement)} over {rival}"


def suspected(evaluation: Evaluation) -> str:
    """Whether something in it asked for stricter checks."""
    found = sum(guard.suspicious([finding]) for finding in evaluation.findings)
    return f"{words.count(found, 'suspicious finding')}, so checked more strictly" if found else ""


def trust(evaluation: Evaluation, rival: str = "the incumbent") -> str:
    """What is known of a result beyond its outputs, in one line."""
    return "; ".join(filter(None, (sanitised(evaluation), confirmed(evaluation, rival), suspected(evaluation))))


def pairs(measurement: Measurement) -> int:
    return sum(len(timing.rival_us) for timing in measurement.timings)


def conditions(measurement: Measurement) -> str:
    """How it was timed, in one line: "240 pairs, SM at 1980 MHz, 3 of them taken again …"; empty for a modelled time."""
    found = measurement.conditions
    parts = [words.count(count, "pair") if (count := pairs(measurement)) else ""]
    if clock := found.get(_CLOCK):
        parts.append(f"SM at {clock.replace('..', ' to ')} MHz")
    if (again := found.get(_REPEATED, "0")) != "0":
        parts.append(f"{again} taken again as clocks were held down")
    if (limited := found.get(_THROTTLED, "no")) != "no":
        parts.append(f"clocks limited by: {limited}")
    if state := found.get(_STATE):
        parts.append(f"state of the device {state}")
    return ", ".join(filter(None, parts))


def unshown(nodes: Sequence[Node], best: Node) -> tuple[Node, ...]:
    """What has a shorter time than the best and yet was not shown to be faster, shortest first."""
    if best.time_us is None:
        return ()
    kernels = [node for node in nodes if node.attempt.outcome is not Outcome.REPEATED]
    shorter = [node for node in kernels if node.time_us is not None and node.time_us < best.time_us]
    return tuple(sorted(shorter, key=lambda node: (node.time_us or 0.0, node.number)))


def unshown_line(nodes: Sequence[Node], best: Node, unit: str) -> str:
    """The same as a sentence; empty when there is none."""
    found = unshown(nodes, best)
    if not found:
        return ""
    others = f" and {words.count(len(found) - 1, 'other')}" if len(found) > 1 else ""
    least = words.percent(MIN_EFFECT)
    return f"#{found[0].number} at {words.time(found[0].time_us)} {unit}{others}: not faster by the {least} that count as an effect"
