"""Stacked bars: of what terms a reward consists, and what the time of a run went into. Pure; SVG text, colours by class `c0`…`c8`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from kernelsearch.report import words
from kernelsearch.report.axis import Scale
from kernelsearch.report.node import NodeView

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR, _FOOT = 900, 214, 64, 26, 16, 30
_COLOURS = 7  # more cannot be told apart; what is smaller is one colour
_OTHER = "others"
_SHOWN = 16  # nodes


@dataclass(frozen=True, slots=True)
class Legend:
    """What a colour class stands for, and how much of it there is in all, in words."""

    mark: str
    name: str
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """A drawing (markup of ours, in which all names are escaped) with its legend."""

    svg: str
    legend: tuple[Legend, ...]


def chosen(nodes: Sequence[NodeView], most: int = _SHOWN) -> tuple[NodeView, ...]:
    """Whose rewards are drawn: the way to the best first, then the most rewarded others."""
    scored = [node for node in nodes if node.terms]
    path = [node for node in scored if node.on_path]
    others = sorted((node for node in scored if not node.on_path), key=lambda node: (-node.reward_value, node.number))
    return (*path, *others[: max(0, most - len(path))])


def rewards(nodes: Sequence[NodeView]) -> Bars | None:
    """Terms of the rewards of `nodes`, what counts for a kernel to the right and what counts against it to the left; None without any."""
    names = _largest([{term.name: abs(term.contribution) for term in node.terms} for node in nodes])
    if not names:
        return None
    marks = {name: f"c{place}" for place, name in enumerate(names)}
    rows = [(node, _stacked({t.name: t.contribution for t in node.terms}, marks)) for node in nodes]
    ends = [edge for _, segments in rows for _, low, high in segments for edge in (low, high)]
    spread = max(*ends, 0.0) - min(*ends, 0.0)
    scale = Scale(min(0.0, *ends) - 0.02 * spread, max(0.0, *ends) + 0.02 * spread, _LEFT, _WIDTH - _RIGHT)
    height = _ROW * len(rows) + _FOOT
    parts = [f'<svg class="chart tall" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="terms of rewards, stacked">']
    for tick in scale.ticks():
        place, mark = scale.at(tick), "zero" if abs(tick) < 1e-12 else "grid"
        parts.append(f'<line class="{mark}" x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{height - _FOOT + 4}"/>')
        parts.append(f'<text x="{place:.1f}" y="{height - 8}" text-anchor="middle">{tick:g}</text>')
    for row, (node, segments) in enumerate(rows):
        parts.append(_row(row, node, segments, scale))
    legend = [Legend(mark, name) for name, mark in marks.items()]
    if any(term.contribution and term.name not in marks for node in nodes for term in node.terms):
        legend.append(Legend(f"c{_COLOURS}", _OTHER))
    return Bars("".join([*parts, "</svg>"]), tuple(legend))


def _row(row: int, node: NodeView, segments: list[tuple[str, float, float]], scale: Scale) -> str:
    y = row * _ROW + (_ROW - _BAR) / 2
    strong = ' class="strong"' if node.on_path else ""
    label = escape(f"#{node.number} {words.first_line(node.directive, 25)}")
    end = scale.at(max([high for _, _, high in segments], default=0.0))
    parts = [f'<a href="#n{node.number}"><text{strong} x="{_LEFT - 10}" y="{y + 12:.1f}" text-anchor="end">{label}</text></a>']
    for mark, low, high in segments:
        x, width = scale.at(low), scale.at(high) - scale.at(low)
        if width >= 0.3:
            parts.append(f'<rect class="{mark}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_BAR}"/>')
    parts.append(f'<text{strong} x="{end + 7:.1f}" y="{y + 12:.1f}">{escape(node.reward)}</text>')
    return "".join(parts)


def _largest(parts: Sequence[Mapping[str, float]]) -> list[str]:
    """Names with the most in all, largest first; those that come to nothing are left out."""
    totals: dict[str, float] = defaultdict(float)
    for each in parts:
        for name, value in each.items():
            totals[name] += value if math.isfinite(value) else 0.0
    ordered = sorted((name for name, value in totals.items() if value > 0), key=lambda name: (-totals[name], name))
    return ordered[:_COLOURS]


def _stacked(parts: Mapping[str, float], marks: Mapping[str, str]) -> list[tuple[str, float, float]]:
    """Colour class, low and high end of each part; positive ones go up from 0, negative ones down."""
    order = sorted(parts, key=lambda name: marks.get(name, "d"))
    up = down = 0.0
    found = []
    for name in order:
        value = parts[name] if math.isfinite(parts[name]) else 0.0
        if value > 0:
            found.append((marks.get(name, f"c{_COLOURS}"), up, up + value))
            up += value
        elif value < 0:
            found.append((marks.get(name, f"c{_COLOURS}"), down + value, down))
            down += value
    return found


def shares(parts: Mapping[str, float], text: str) -> Bars | None:
    """One bar of durations in seconds, with a legend that tells each; None where nothing took any time."""
    whole = sum(parts.values())
    if whole <= 0:
        return None
    x, drawn, legend = 0.0, [], []
    for place, (name, seconds) in enumerate(parts.items()):
        mark, width = f"c{min(place, _COLOURS)}", _WIDTH * seconds / whole
        legend.append(Legend(mark, name, f"{words.duration(seconds)}, {words.percent(seconds / whole)}"))
        drawn.append(f'<rect class="{mark}" x="{x:.1f}" y="0" width="{width:.1f}" height="22"/>')
        x += width
    head = f'<svg class="meter" viewBox="0 0 {_WIDTH} 22" preserveAspectRatio="none" role="img" aria-label="{escape(text)}">'
    return Bars("".join([head, *drawn, "</svg>"]), tuple(legend))
