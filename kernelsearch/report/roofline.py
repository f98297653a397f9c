"""The roofline of a run with every candidate that was timed: operations a second over operations a byte, against what the GPU can do.

A candidate stands at the operations of the task and the bytes that it moved through DRAM by its own counters; without counters it is drawn
hollow, at the bytes that the task cannot do without. Where a task has no operations, such as a transpose, the work is the bytes that it
cannot do without, and the only roof is that of DRAM. All in the slowest timed case of the baseline. Pure; the chart is SVG text.
"""

from __future__ import annotations

import math
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
    """A node in the chart: `intensity` in work a byte, `rate` in work a second, and whether its bytes were counted."""

    number: int
    intensity: float
    rate: float
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`work` is what is counted: "FLOP", or "B" for a task without operations. `bandwidth` in bytes/s and `peak` in FLOP/s are the roofs;
    `own` is the task's own intensity."""

    case: str
    hardware: str
    work: str
    bandwidth: float
    peak: float | None
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
    if case is None or ideal is None or not ideal.bytes:
        return "No roofline: the task does not tell how many bytes it cannot do without."
    done = ideal.flops or ideal.bytes
    found = [spot for node in nodes if (spot := _spot(node, case, done, done / ideal.bytes)) is not None]
    return Chart(
        case=case.name,
        hardware=hardware.name,
        work="FLOP" if ideal.flops else "B",
        bandwidth=ideal.peak_flops / ideal.ridge,
        peak=ideal.peak_flops if ideal.flops else None,
        own=done / ideal.bytes,
        spots=tuple(found),
    )


def _spot(node: Node, case: Case, done: float, own: float) -> Spot | None:
    measurement = None if node.evaluation is None or not node.passed else node.evaluation.measurement
    us = None if measurement is None else next((t.median_us for t in measurement.timings if t.case == case.name), None)
    if us is None or node.evaluation is None:
        return None
    moved = _moved(node.evaluation)
    intensity = done / moved if moved else own
    return Spot(number=node.number, intensity=intensity, rate=done / us * 1e6, counted=moved is not None)


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
    x, y = _scales(found)
    work, of = ("FLOP", "") if found.peak else ("bytes of the task", " of the task")
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="roofline with every timed candidate">']
    for tick in y.ticks(8):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y.at(tick):.1f}" y2="{y.at(tick):.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y.at(tick) + 4:.1f}" text-anchor="end">{axis.label(tick)}</text>')
    for tick in x.ticks(8):
        parts.append(f'<text x="{x.at(tick):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{axis.label(tick)}</text>')
    parts.append(_roofs(found, x, y))
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{work} a byte through DRAM</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{found.work}/s{of}; both logarithmic</text>')
    for counted in (False, True):
        placed = [(views[s.number], x.at(s.intensity), y.at(s.rate)) for s in found.spots if s.counted is counted]
        parts.append(svg.dots(placed, "dot" if counted else "dot hollow"))
    return "".join([*parts, "</svg>"])


def _scales(found: Chart) -> tuple[Scale, Scale]:
    places = [spot.intensity for spot in found.spots] + [found.own] + ([found.peak / found.bandwidth] if found.peak else [])
    low, high = min(places) / 2, max(places) * 3
    rates = [spot.rate for spot in found.spots]
    top = found.peak or high * found.bandwidth
    x = Scale(low, high, _LEFT, _WIDTH - _RIGHT, log=True)
    return x, Scale(min([*rates, low * found.bandwidth]) / 1.5, top * 2, _HEIGHT - _BOTTOM, _TOP, log=True)


def _roofs(found: Chart, x: Scale, y: Scale) -> str:
    roof = f"M{x.start:.1f} {y.at(x.low * found.bandwidth):.1f}"
    end = found.peak / found.bandwidth if found.peak else x.high
    roof += f"L{x.at(end):.1f} {y.at(end * found.bandwidth):.1f}H{x.end:.1f}"
    parts = [f'<path class="roof" d="{roof}"/>']
    if found.peak:
        name = f"{axis.label(found.peak)}FLOP/s"
        parts.append(f'<text class="roof-name" x="{x.end:.1f}" y="{y.at(found.peak) - 7:.1f}" text-anchor="end">{name}</text>')
    memory = f"DRAM {axis.label(found.bandwidth)}B/s, {escape(found.hardware)}"
    parts.append(f'<text class="roof-name" x="{x.start + 8:.1f}" y="{_TOP + 4}">{memory}</text>')
    own, foot = x.at(found.own), y.at(min(found.peak or math.inf, found.own * found.bandwidth))
    side, apart = ("end", -7) if own > (x.start + x.end) / 2 else ("start", 7)
    parts.append(f'<path class="own" d="M{own:.1f} {foot:.1f}V{y.start:.1f}"/>')
    parts.append(f'<text x="{own + apart:.1f}" y="{y.start - 8:.1f}" text-anchor="{side}">the task itself</text>')
    return "".join(parts)
