"""Charts of a suite as SVG text: shares by speed-up, speed-ups by group, and the best so far over candidates. Pure and deterministic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from kernelsearch.model.suite import Row
from kernelsearch.report import words
from kernelsearch.report.axis import Scale
from kernelsearch.report.bars import Bars, Legend
from kernelsearch.report.suite_view import Entry, by, gain

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 600, 330, 56, 14, 24, 44
_COLOURS = 7
_ROW, _DOT = 46, 7.0


def fast_p(series: Mapping[str, Sequence[float]]) -> Bars:
    """For each p the share of rows that are more than p times as fast."""
    highest = max((value for values in series.values() for value in values), default=1.0)
    x = Scale(0.5, max(4.0, highest * 1.15), _LEFT, _WIDTH - _RIGHT, log=True)
    y = Scale(0.0, 1.0, _HEIGHT - _BOTTOM, _TOP)
    parts = [_head("share of rows by speed-up")]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_across(y.at(share), words.percent(share)))
    parts += [_down(x.at(tick), f"{tick:g}x") for tick in x.ticks(7)]
    parts.append(_one(x))
    legend = []
    for place, (name, values) in enumerate(series.items()):
        mark = f"c{min(place, _COLOURS)}"
        parts.append(f'<path class="line {mark}" d="{_stairs(sorted(values), x, y)}"/>')
        legend.append(Legend(mark, name, f"{words.percent(sum(v > 1 for v in values) / len(values))} are faster"))
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">share of all rows</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">more than p times as fast</text>')
    return Bars("".join([*parts, "</svg>"]), tuple(legend))


def _stairs(values: Sequence[float], x: Scale, y: Scale) -> str:
    """Down by one row at each value; what lies left of the chart is down already."""
    count = len(values)
    path = [f"M{x.start:.1f} {y.at(sum(value > x.low for value in values) / count):.1f}"]
    for place, value in enumerate(values):
        if value > x.low:
            path.append(f"H{x.at(value):.1f}V{y.at((count - place - 1) / count):.1f}")
    return "".join([*path, f"H{x.end:.1f}"])


def groups(entries: Sequence[Entry]) -> str:
    """A line of dots for each group, a dot a row at its speed-up, with the geometric mean as a mark; what failed stands at the left."""
    rows = by([entry.row for entry in entries], lambda row: row.suite)
    known = [gain(entry.row) for entry in entries if gain(entry.row) > 0] or [1.0]
    x = Scale(min(0.8, *known) / 1.1, max(2.0, *known) * 1.15, 150, _WIDTH - _RIGHT, log=True)
    height = max(_HEIGHT, _TOP + _ROW * len(rows) + _BOTTOM)
    room = (height - _TOP - _BOTTOM) / len(rows)
    parts = [_head("speed-ups by group", height)]
    for tick in x.ticks(6):
        parts.append(f'<line class="grid" x1="{x.at(tick):.1f}" x2="{x.at(tick):.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        parts.append(f'<text x="{x.at(tick):.1f}" y="{height - _BOTTOM + 18}" text-anchor="middle">{tick:g}x</text>')
    parts.append(_one(x, height))
    for place, (name, members) in enumerate(rows.items()):
        y = _TOP + room * (place + 0.5)
        parts.append(f'<text class="strong" x="132" y="{y + 4:.1f}" text-anchor="end">{escape(words.first_line(name, 17))}</text>')
        mean = words.geometric_mean([gain(row) for row in members if gain(row) > 0])
        if mean is not None:
            parts.append(f'<path class="zero mean" d="M{x.at(mean):.1f} {y - room * 0.36:.1f}V{y + room * 0.36:.1f}"/>')
        parts.append(_swarm([entry for entry in entries if (entry.row.suite or "not named") == name], x, y, room))
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{height - 6}" text-anchor="end">the stroke: geometric mean</text>')
    return "".join([*parts, "</svg>"])


def _swarm(entries: Sequence[Entry], x: Scale, y: float, room: float) -> str:
    """Dots that would cover each other are put above and below by turns, as far as there is room."""
    taken: dict[int, int] = {}
    parts = []
    for entry in sorted(entries, key=lambda each: (gain(each.row), each.number)):
        value = gain(entry.row)
        place = x.at(value) if value > 0 else x.start - 6
        slot = round(place / _DOT)
        before = taken[slot] = taken.get(slot, -1) + 1
        aside = min((before + 1) // 2 * _DOT, room * 0.4) * (1 if before % 2 else -1)
        mark = "dot path" if value > 1 else "dot" if value > 0 else "dot lost"
        text = f"{entry.row.suite}/{entry.row.task}: {'failed' if value <= 0 else entry.speedup}"
        circle = f'<circle class="{mark}" cx="{place:.1f}" cy="{y + aside:.1f}" r="3.6"><title>{escape(text)}</title></circle>'
        parts.append(f'<a href="#r{entry.number}" aria-label="{escape(text)}">{circle}</a>')
    return "".join(parts)


def libraries(entries: Sequence[Entry], most: int = 18) -> str:
    """How the best kernels stand against the fastest library, the worst first, where there are libraries; empty where there are none."""
    held = sorted((entry.over_library, entry.number, entry) for entry in entries if entry.over_library)
    if not held:
        return ""
    shown = held if len(held) <= most else [*held[: most // 2], *held[-(most - most // 2) :]]
    ratios = [ratio for ratio, _, _ in shown]
    x = Scale(min(0.5, *ratios) / 1.1, max(2.0, *ratios) * 1.1, 150, _WIDTH - _RIGHT - 40, log=True)
    height = max(_HEIGHT, _TOP + 17 * len(shown) + _BOTTOM)
    room = (height - _TOP - _BOTTOM) / len(shown)
    parts = [_head("best kernels against libraries", height)]
    for tick in x.ticks(6):
        parts.append(f'<line class="grid" x1="{x.at(tick):.1f}" x2="{x.at(tick):.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        parts.append(f'<text x="{x.at(tick):.1f}" y="{height - _BOTTOM + 18}" text-anchor="middle">{tick:g}x</text>')
    parts.append(_one(x, height))
    for place, (ratio, number, entry) in enumerate(shown):
        y, end = _TOP + room * (place + 0.5), x.at(ratio)
        name = escape(words.first_line(entry.row.task, 18))
        parts.append(f'<a href="#r{number}"><text x="138" y="{y + 4:.1f}" text-anchor="end">{name}</text></a>')
        parts.append(f'<path class="line {"c0" if ratio > 1 else "c4"}" d="M{x.at(1.0):.1f} {y:.1f}H{end:.1f}"/>')
        parts.append(f'<circle class="{"c0" if ratio > 1 else "c4"}" cx="{end:.1f}" cy="{y:.1f}" r="3.8"/>')
        parts.append(f'<text x="{x.end + 6:.1f}" y="{y + 4:.1f}">{ratio:.2f}x</text>')
    left_out = f"{len(held) - len(shown)} rows between these are left out" if len(held) > len(shown) else ""
    return "".join([*parts, f'<text x="150" y="{height - 6}">{left_out}</text></svg>'])


def best_so_far(rows: Sequence[Row]) -> str:
    """Speed-up of the best so far over candidates, a thin line a row, the geometric mean of all as a thick one; empty without curves."""
    curves = [_gains(row) for row in rows if row.curve and row.curve[0][1] > 0]
    last = max((max(row.candidates, row.curve[-1][0]) for row in rows if row.curve), default=0)
    if not curves or last <= 0:
        return ""
    highest = max(value for curve in curves for _, value in curve)
    x = Scale(0.0, float(last), _LEFT, _WIDTH - _RIGHT)
    y = Scale(min(0.9, *(value for curve in curves for _, value in curve)), max(2.0, highest * 1.15), _HEIGHT - _BOTTOM, _TOP, log=True)
    parts = [_head("best speed-up so far over candidates")]
    parts += [_across(y.at(tick), f"{tick:g}x") for tick in y.ticks(7)]
    parts += [_down(x.at(tick), f"{tick:g}") for tick in x.ticks(8) if tick == int(tick)]
    parts += [f'<path class="line thin c0" d="{_steps(curve, x, y)}"/>' for curve in curves]
    places = sorted({place for curve in curves for place, _ in curve})
    mean = [(place, math.exp(sum(math.log(_at(curve, place)) for curve in curves) / len(curves))) for place in places]
    parts.append(f'<path class="line strong" d="{_steps(mean, x, y)}"/>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">speed-up; thick: geometric mean</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">candidates</text>')
    return "".join([*parts, "</svg>"])


def spark(row: Row) -> str:
    """The same curve for one row, as small as a word; empty without improvements."""
    if len(row.curve) < 2 or row.curve[0][1] <= 0:
        return ""
    curve = _gains(row)
    x = Scale(0.0, float(max(row.candidates, curve[-1][0], 1)), 2, 94)
    y = Scale(min(value for _, value in curve), max(value for _, value in curve) * 1.0001, 19, 3, log=True)
    return f'<svg class="spark" viewBox="0 0 96 22" aria-hidden="true"><path d="{_steps(curve, x, y)}"/></svg>'


def _gains(row: Row) -> list[tuple[int, float]]:
    first = row.curve[0][1]
    return [(place, first / us) for place, us in row.curve if us > 0]


def _at(curve: Sequence[tuple[int, float]], place: int) -> float:
    return [value for start, value in curve if start <= place][-1] if curve[0][0] <= place else 1.0


def _steps(curve: Sequence[tuple[int, float]], x: Scale, y: Scale) -> str:
    path = [f"M{x.at(curve[0][0]):.1f} {y.at(curve[0][1]):.1f}"]
    path += [f"H{x.at(place):.1f}V{y.at(value):.1f}" for place, value in curve[1:]]
    return "".join([*path, f"H{x.end:.1f}"])


def _head(text: str, height: float = _HEIGHT) -> str:
    return f'<svg class="chart" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(text)}">'


def _across(y: float, text: str) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'


def _down(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{escape(text)}</text>'


def _one(x: Scale, height: float = _HEIGHT) -> str:
    """Where nothing was gained."""
    return f'<line class="zero" x1="{x.at(1.0):.1f}" x2="{x.at(1.0):.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>'
