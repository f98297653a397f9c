"""The pairs of one timed case as a small drawing: a dot a pair, in the order they were taken, at the height of its ratio.

A drift shows as a slope, two modes as two bands, and a gain that a few lucky pairs made as what it is. Pure; numbers in, SVG out.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _PAD = 460, 92, 46, 8
_TAIL = 0.02  # of the pairs at either end may lie outside and are drawn at the edge, so that one late answer does not flatten all


def pairs(ratios: Sequence[float]) -> str:
    """`ratios`: how many times as fast as the rival, pair by pair; at least one."""
    low, high = _range(ratios)

    def y(ratio: float) -> float:
        share = (min(max(ratio, low), high) - low) / (high - low)
        return _HEIGHT - _PAD - share * (_HEIGHT - 2 * _PAD)

    step = (_WIDTH - _LEFT - _PAD) / max(1, len(ratios) - 1)
    dots = "".join(f"M{_LEFT + step * place:.1f} {y(ratio):.1f}h0" for place, ratio in enumerate(ratios))
    middle = statistics.median(ratios)
    lines = [_line("best", middle, y(middle))]
    if low <= 1.0 <= high:
        near = abs(y(1.0) - y(middle)) < 12  # one label would hide the other
        lines.append(_line("grid", None if near else 1.0, y(1.0)))
    head = f'<svg class="strip" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="ratio of each pair">'
    return "".join([head, *lines, f'<path class="pair" d="{dots}"/></svg>'])


def _line(mark: str, label: float | None, y: float) -> str:
    text = "" if label is None else f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label:.2f}x</text>'
    return f'<line class="{mark}" x1="{_LEFT}" x2="{_WIDTH - _PAD}" y1="{y:.1f}" y2="{y:.1f}"/>{text}'


def _range(ratios: Sequence[float]) -> tuple[float, float]:
    """What is drawn: nearly all pairs, and 1 where it is near enough to leave the dots their room."""
    ordered = sorted(ratios)
    cut = int(len(ordered) * _TAIL)
    low, high = ordered[cut], ordered[-1 - cut]
    least = max(high - low, 0.01 * high)
    if low - 3 * least < 1.0 < high + 3 * least:
        low, high = min(low, 1.0), max(high, 1.0)
    return low - 0.1 * least, high + 0.1 * least
