"""The roofline of a run with every candidate that was timed: operations a second over operations a byte, against what the GPU can do.

A candidate stands at the operations of the task and the bytes that it moved through DRAM by its own counters; without counters it is drawn
hollow, at the bytes that the task cannot do without. All in the slowest timed case of the baseline. Pure; the chart is SVG text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kernelsearch import diagnose
from kernelsearch.model import Case, Evaluation, Hardware, Node, Task
from kernelsearch.report import axis, svg
from kernelsearch.report.axis import Scale
from kernelsearch.report.node import NodeView

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 600, 330, 56, 14, 24, 44
_COUNTERS = ("dram__bytes.sum", "dram__bytes_read.sum", "dram__bytes_write.sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A node in the chart: `intensity` in FLOP/byte, `rate` in FLOP/s, and whether its bytes were counted."""

    number: int
    intensity: float
    rate: float
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`bandwidth` in bytes/s and `peak` in FLOP/s are the roofs; `own` is the task's own intensity."""

    case: str
    hardware: str
    bandwidth: float
    peak: float
    own: float
    spots: tuple[Spot, ...]


def chart(task: Task, nodes: Sequence[Node], hardware: Hardware | None) -> Chart | str:
    """What is to be drawn, or in a sentence why there is nothing."""
    if hardware is None:
        return "No roofline: no hardware profile is known for this device."
    timed = None if nodes[0].evaluation is None else nodes[0].evaluation.measurement
    if timed is None:
        return "No roofline: the baseline was not timed."
    slowest = max(timed.timings, key=lambda timing: timing.median_us).case
    case = next((each for each in task.timed_cases if each.name == slowest), None)
    ideal = None if case is None else diagnose.roofline(task, case, hardware)
    if case is None or ideal is None or not ideal.flops or not ideal.intensity:
        return "No roofline: the task does not tell both its bytes and its floating-point operations."
    found = [spot for node in nodes if (spot := _spot(node, case, ideal.flops, ideal.intensity)) is not None]
    return Chart(
        case=case.name,
        hardware=hardware.name,
        bandwidth=ideal.peak_flops / ideal.ridge,
        peak=ideal.peak_flops,
        own=ideal.intensity,
        spots=tuple(found),
    )


def _spot(node: Node, case: Case, flops: float, own: float) -> Spot | None:
    measurement = None if node.evaluation is None or not node.passed else node.evaluation.measurement
    us = None if measurement is None else next((t.median_us for t in measurement.timings if t.case == case.name), None)
    if us is None or node.evaluation is None:
        return None
    moved = _moved(node.evaluation)
    intensity = flops / moved if moved else own
    return Spot(number=node.number, intensity=intensity, rate=flops / us * 1e6, counted=moved is not None)


def _moved(evaluation: Evaluation) -> float | None:
    """Bytes through DRAM, by the counters."""
    profile = evaluation.profile
    if profile is None:
        return None
    both, read, written = (profile.value(name) for name in _COUNTERS)
    if both is None and read is not None and written is not None:
        both = read + written
    return both if both else None


def draw(found: Chart, views: Sequence[NodeView]) -> str:
    """The chart; nodes link to `#n<number>`."""
    ridge = found.peak / found.bandwidth
    x, y = _scales(found, ridge)
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="roofline with every timed candidate">']
    for tick in y.ticks(8):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y.at(tick):.1f}" y2="{y.at(tick):.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y.at(tick) + 4:.1f}" text-anchor="end">{axis.label(tick)}</text>')
    for tick in x.ticks(8):
        parts.append(f'<text x="{x.at(tick):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{axis.label(tick)}</text>')
    parts.append(_roofs(found, x, y, ridge))
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">FLOP a byte through DRAM</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">FLOP/s; both logarithmic</text>')
    for counted in (False, True):
        placed = [(views[s.number], x.at(s.intensity), y.at(s.rate)) for s in found.spots if s.counted is counted]
        parts.append(svg.dots(placed, "dot" if counted else "dot hollow"))
    return "".join([*parts, "</svg>"])


def _scales(found: Chart, ridge: float) -> tuple[Scale, Scale]:
    intensities = [spot.intensity for spot in found.spots]
    low, high = min([*intensities, found.own, ridge]) / 2, max([*intensities, found.own, ridge]) * 3
    rates = [spot.rate for spot in found.spots]
    x = Scale(low, high, _LEFT, _WIDTH - _RIGHT, log=True)
    return x, Scale(min([*rates, low * found.bandwidth]) / 1.5, found.peak * 2, _HEIGHT - _BOTTOM, _TOP, log=True)


def _roofs(found: Chart, x: Scale, y: Scale, ridge: float) -> str:
    left, top = (x.low, x.low * found.bandwidth), y.at(found.peak)
    roof = f"M{x.at(left[0]):.1f} {y.at(left[1]):.1f}L{x.at(ridge):.1f} {top:.1f}H{x.end:.1f}"
    own = x.at(found.own)
    foot = y.at(min(found.peak, found.own * found.bandwidth))
    memory = f"DRAM {axis.label(found.bandwidth)}B/s, {escape(found.hardware)}"
    side = ("end", -7) if own > (x.start + x.end) / 2 else ("start", 7)
    return (
        f'<path class="roof" d="{roof}"/>'
        f'<text class="roof-name" x="{x.end:.1f}" y="{top - 7:.1f}" text-anchor="end">{axis.label(found.peak)}FLOP/s</text>'
        f'<text class="roof-name" x="{x.at(left[0]) + 8:.1f}" y="{_TOP + 4}">{memory}</text>'
        f'<path class="own" d="M{own:.1f} {foot:.1f}V{y.start:.1f}"/>'
        f'<text x="{own + side[1]:.1f}" y="{y.start - 8:.1f}" text-anchor="{side[0]}">the task itself</text>'
    )
