"""Charts as SVG text: the curve of the best time and the search tree. Colours come from the page's style sheet by class name.

Pure and deterministic: equal views give equal text, so reports can be compared. Every string that is not ours is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from kernelsearch.report import axis, words
from kernelsearch.report.axis import Scale, round_up
from kernelsearch.report.node import NodeView

_WIDTH, _HEIGHT = 600, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 24, 44
_LINKED = 600  # dots that are links with a title of their own; of more the ordinary ones are one path, so that a page stays small
_STEP_X, _STEP_Y, _MARGIN = 62, 26, 20  # of the tree


def curve(nodes: Sequence[NodeView], unit: str) -> str:
    """Best time so far as a step line over attempts, with every timed candidate as a dot. Nodes in order, the baseline first."""
    timed = [(node, node.time_us) for node in nodes if node.time_us is not None]
    if not timed:
        return ""
    scale = axis.times([time for _, time in timed], _HEIGHT - _BOTTOM, _TOP)
    last = max(1, nodes[-1].number)

    def x(number: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * number / last

    parts = [f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="best time over attempts">']
    for tick in scale.ticks(8 if scale.log else 6):
        y = scale.at(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{axis.label(tick)}</text>')
    for number in _counts(last):
        parts.append(f'<text class="tick" x="{x(number):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{number}</text>')
    parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">attempt</text>')
    how = ", logarithmic" if scale.log else ""
    parts.append(f'<text class="tick" x="{_LEFT}" y="{_HEIGHT - 6}">{escape(unit)}{how}</text>')
    parts.append(_steps(timed, x, scale, last))
    parts.append(dots([(node, x(node.number), scale.at(time)) for node, time in timed]))
    return "".join([*parts, "</svg>"])


def dots(placed: Sequence[tuple[NodeView, float, float]], mark: str = "dot") -> str:
    """Nodes as dots at their places, linked, with the way to the best on top. Of very many the others are a single path."""
    linked = [entry for entry in placed if entry[0].on_path or len(placed) <= _LINKED]
    rest = {(round(x), round(y)) for node, x, y in placed if not node.on_path} if len(placed) > _LINKED else set()
    parts = [f'<path class="{mark} many" d="{"".join(f"M{x} {y}h0" for x, y in sorted(rest))}"/>'] if rest else []
    for node, x, y in sorted(linked, key=lambda entry: entry[0].on_path):
        kind = f"{mark} path" if node.on_path else mark
        circle = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{5 if node.on_path else 3.4}">{_tip(node)}</circle>'
        parts.append(f'<a href="#n{node.number}" aria-label="attempt {node.number}">{circle}</a>')
    return "".join(parts)


def _steps(timed: list[tuple[NodeView, float]], x: Callable[[float], float], scale: Scale, last: int) -> str:
    path = [f"M{x(timed[0][0].number):.1f} {scale.at(timed[0][1]):.1f}"]
    for node, time in timed[1:]:
        if node.was_best:  # a shorter time that was not shown to be shorter is a dot below the line
            path.append(f"H{x(node.number):.1f}V{scale.at(time):.1f}")
    return f'<path class="best" d="{"".join(path)}H{x(last):.1f}"/>'


def _counts(last: int) -> list[int]:
    step = max(1, int(round_up(last / 8)))
    return list(range(0, last + 1, step))


def tree(nodes: Sequence[NodeView]) -> str:
    """The search tree, root at the left, one row a leaf; nodes are coloured by class, link to `#n<number>` and name their edit."""
    rows, height = _rows(nodes)
    width = 2 * _MARGIN + _STEP_X * max(node.depth for node in nodes) + 220
    tall = 2 * _MARGIN + _STEP_Y * height

    def spot(number: int) -> tuple[float, float]:
        return _MARGIN + _STEP_X * nodes[number].depth, _MARGIN + _STEP_Y * (rows[number] + 0.5)

    parts = [f'<svg class="tree" width="{width}" height="{tall:.0f}" viewBox="0 0 {width} {tall:.0f}" role="img" aria-label="search tree">']
    for node in nodes:
        if node.parent is not None:
            (x0, y0), (x1, y1) = spot(node.parent), spot(node.number)
            middle = (x0 + x1) / 2
            mark = "edge path" if node.on_path else "edge"
            parts.append(f'<path class="{mark}" d="M{x0:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {x1:.0f} {y1:.1f}"/>')
    for node in nodes:
        x, y = spot(node.number)
        mark = f"node {node.kind}" + (" path" if node.on_path else "")
        circle = f'<circle class="{mark}" cx="{x:.0f}" cy="{y:.1f}" r="{7 if node.is_best else 5.5}">{_tip(node)}</circle>'
        if node.children:
            label = f'<text x="{x:.0f}" y="{y - 9:.1f}" text-anchor="middle">{node.number}</text>'
        else:
            label = f'<text x="{x + 11:.0f}" y="{y + 4:.1f}">{_label(node)}</text>'
        parts.append(f'<a href="#n{node.number}">{circle}{label}</a>')
    return "".join([*parts, "</svg>"])


def _rows(nodes: Sequence[NodeView]) -> tuple[list[float], int]:
    """The row of every node: leaves count down in depth-first order, a parent stands in the middle of its children."""
    rows = [0.0] * len(nodes)
    leaves = 0
    stack = [(0, False)]
    while stack:
        number, done = stack.pop()
        children = nodes[number].children
        if done:
            rows[number] = (rows[children[0]] + rows[children[-1]]) / 2
        elif children:
            stack.append((number, True))
            stack.extend((child, False) for child in reversed(children))
        else:
            rows[number] = leaves
            leaves += 1
    return rows, leaves


def _label(node: NodeView) -> str:
    figure = node.speedup if node.time_us is not None and node.kind == "good" else node.status
    return escape(f"#{node.number} {words.first_line(node.directive, 24)} · {figure}")


def _tip(node: NodeView) -> str:
    figure = f"{node.time} µs, {node.speedup}" if node.time_us is not None else node.status
    return f"<title>{escape(f'#{node.number} {node.directive}: {figure}')}</title>"
