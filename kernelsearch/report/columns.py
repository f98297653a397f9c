"""The figures of all attempts by column, for the script that draws the tree and the table. Words that come again are kept once. Pure."""

from __future__ import annotations

from kernelsearch.report.markup import visible
from kernelsearch.report.view import RunView


def of(view: RunView) -> dict[str, object]:
    """By name of the column, a value a node; `words` holds the texts that some columns give by their place in it."""
    words: dict[str, int] = {}

    def place(text: str) -> int:
        return words.setdefault(visible(text), len(words))

    nodes = view.nodes
    return {
        "parent": [-1 if node.parent is None else node.parent for node in nodes],
        "edit": [place(node.directive) for node in nodes],
        "status": [place(node.status) for node in nodes],
        "kind": [place(node.kind) for node in nodes],
        "limit": [place(node.limit) for node in nodes],
        "why": [place(node.why.replace(" -> ", " → ")) for node in nodes],
        "time": [node.time for node in nodes],
        "x": [node.speedup for node in nodes],
        "light": [node.speed_of_light for node in nodes],
        "reward": [node.reward for node in nodes],
        "words": list(words),
        "path": [node.number for node in view.path],
        "best": view.best.number,
    }
