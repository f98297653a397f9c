"""The lines of a kernel at which most samples were taken, as a model is told of them: values in, text out.

They stand below the source and quote it, rather than being marked in it: an edit has to repeat the source to the letter.
"""

from __future__ import annotations

from kernelsearch.model import HotLine, Node
from kernelsearch.propose.wording import one_line

_CODE = 120
_LEAST = 0.02  # of all samples


def hot(node: Node) -> list[str]:
    """A line for each, the hottest first; none where the profiler took no samples."""
    profile = None if node.evaluation is None else node.evaluation.profile
    if profile is None or node.candidate is None:
        return []
    source = node.candidate.source.splitlines()
    return [_told(place, source) for place in profile.hot if place.share >= _LEAST]


def _told(place: HotLine, source: list[str]) -> str:
    code = source[place.line - 1].strip() if 0 < place.line <= len(source) else ""
    where = f"line {place.line}, `{one_line(code, _CODE).replace('`', ' ')}`" if code else "a place that has no line in this source"
    waits = f"; warps there wait for {one_line(place.waits_for)}" if place.stall else ""
    return f"hot: {100 * place.share:.0f} % of the samples at {where} ({one_line(place.opcode, 40)}){waits}"
