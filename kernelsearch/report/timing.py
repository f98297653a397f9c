"""How one node was timed, as rows of tables and as drawings: cases, pairs, the second trial, hazards, and the state of the device."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from kernelsearch.measure import statistics
from kernelsearch.model import CaseTiming, Evaluation, Measurement
from kernelsearch.report import strip, words


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: what it is about, and its cells."""

    name: str
    cells: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """The pairs of one case, drawn (`svg` is markup of ours, numbers only) under a title."""

    title: str
    svg: str


def heads(unit: str) -> tuple[str, ...]:
    """Over the rows of `cases`; of what was not timed in pairs the first three."""
    return ("case", unit, "±", "rival", "x", "pairs", "unexplained")


def cases(measurement: Measurement | None) -> tuple[Row, ...]:
    """A row a case: times and spread, and what was timed beside it if anything was."""
    return () if measurement is None else tuple(Row(timing.case, _cells(timing)) for timing in measurement.timings)


def _cells(timing: CaseTiming) -> tuple[str, ...]:
    spread = words.percent(timing.spread / 2, 1) if len(timing.samples_us) > 1 else words.DASH
    own = (words.time(timing.median_us), spread)
    if not timing.rival_us:
        return own
    rival = words.time(median(timing.rival_us))
    unexplained = f"{timing.unexplained_us:.1f} ± {timing.doubt_us:.1f} µs"
    return (*own, rival, _ratio(timing), str(len(timing.rival_us)), unexplained)


def _ratio(timing: CaseTiming) -> str:
    ratio, found = statistics.ratio(timing.samples_us, timing.rival_us)
    return f"{ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"


def strips(evaluation: Evaluation) -> tuple[Strip, ...]:
    """Drawings for what was held for the best: the pairs with the baseline, then those of the second trial with the incumbent."""
    trial = evaluation.confirmation
    if trial is None:
        return ()
    found = []
    for measurement, rival in ((evaluation.measurement, "the baseline"), (trial.measurement, "the incumbent, in the second trial")):
        for timing in () if measurement is None else measurement.timings:
            if timing.rival_us:
                ratios = [theirs / ours for ours, theirs in zip(timing.samples_us, timing.rival_us, strict=True)]
                title = f"{timing.case}: {words.count(len(ratios), 'pair')} with {rival}, in order; {_ratio(timing)}"
                found.append(Strip(title, strip.pairs(ratios)))
    return tuple(found)


def conditions(measurement: Measurement | None) -> tuple[Row, ...]:
    """The state of the device around the calls; from one state to another where it changed."""
    return () if measurement is None else tuple(Row(name, (text,)) for name, text in measurement.conditions.items())


def hazards(evaluation: Evaluation) -> tuple[Row, ...]:
    """What compute-sanitizer reported, and why it may be wrong there."""
    return tuple(
        Row(
            hazard.tool,
            (hazard.kind, hazard.kernel, words.DASH if hazard.line is None else f"line {hazard.line}", hazard.message),
            f"doubtful: {hazard.doubt}" if hazard.doubt else "",
        )
        for hazard in evaluation.hazards
    )
