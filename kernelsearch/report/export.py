"""The search tree for other tools: GraphML and node-link JSON (networkx's only door in this package)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import networkx

from kernelsearch.errors import UsageError
from kernelsearch.model import Node
from kernelsearch.report import words

FORMATS = (".graphml", ".json")


def write_graph(nodes: Sequence[Node], target: Path) -> None:
    """Write the tree to `target`; its suffix chooses the format. Raises `UsageError` for another suffix."""
    graph = search_graph(nodes)
    if target.suffix == ".graphml":
        networkx.write_graphml(graph, target)
    elif target.suffix == ".json":
        target.write_text(json.dumps(networkx.node_link_data(graph, edges="edges"), indent=1) + "\n", encoding="utf-8")
    else:
        raise UsageError(f"cannot tell the format of {target}: end its name with one of {', '.join(FORMATS)}")


def search_graph(nodes: Sequence[Node]) -> networkx.DiGraph:
    """Nodes by number with status, directive, `time_us`, `speedup`, `reward` and tokens where there are any; edges from parent to child."""
    graph = networkx.DiGraph()
    for node in nodes:
        usage = node.attempt.usage
        facts: dict[str, str | int | float | None] = {
            "status": words.status(node),
            "directive": words.directive(node),
            "time_us": node.time_us,
            "speedup": words.speedup(node, nodes[0]),
            "reward": None if node.reward is None else node.reward.value,
            "model": node.candidate.origin.model or None if node.candidate else None,
            "tokens": usage.input_tokens + usage.output_tokens,
            "usd": usage.usd,
            "at_seconds": node.at_seconds,
        }
        graph.add_node(node.number, **{name: value for name, value in facts.items() if value is not None})
        if node.parent is not None:
            graph.add_edge(node.parent, node.number)
    return graph
