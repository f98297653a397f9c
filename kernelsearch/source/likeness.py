"""How alike two CUDA sources are in structure: the distance that keeps near-duplicates from being judged twice.

A source is its tokens without comments and layout. Names that it declares are numbered by first appearance, so that renaming is no change;
all other names, and constants, stay as written, since `expf` for `__expf` or 256 for 128 is one. The distance is that of Jaccard, 1 minus
the share of common runs of five tokens: a changed constant in a source of n tokens lies about 10/n away, an inserted declaration
far more, as it renumbers what follows. That errs on the safe side: what is called near is near.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator

from kernelsearch.source.tree import Node, Tree, parse

_RUN = 5
_DECLARING = frozenset(
    {
        "array_declarator",
        "declaration",
        "for_range_loop",
        "function_declarator",
        "init_declarator",
        "optional_parameter_declaration",
        "parameter_declaration",
        "pointer_declarator",
        "preproc_def",
        "preproc_function_def",
        "preproc_params",
        "reference_declarator",
        "type_parameter_declaration",
    }
)
_NAMES = ("identifier", "type_identifier")


def runs(text: str) -> frozenset[int]:
    """The runs of five tokens of a source, as numbers that mean the same within this process only."""
    tokens = list(_tokens(parse(text)))
    return frozenset(hash(tuple(tokens[at : at + _RUN])) for at in range(max(1, len(tokens) - _RUN + 1)))


def distance(first: str, second: str) -> float:
    """0 for the same but for names, comments and layout; 1 where nothing is common."""
    ours, theirs = runs(first), runs(second)
    return _apart(len(ours & theirs), len(ours), len(theirs))


def _tokens(tree: Tree) -> Iterator[str]:
    declared = {tree.text_of(node) for node in tree.walk(*_NAMES) if _declares(node)}
    numbers: dict[str, str] = {}
    for node in tree.walk():
        if node.children or node.type == "comment":
            continue
        text = tree.text_of(node)
        if node.type in _NAMES and text in declared:
            yield numbers.setdefault(text, f"#{len(numbers)}")
        elif words := " ".join(text.split()):
            yield words


def _declares(node: Node) -> bool:
    """Whether this use of a name declares it: it stands in a declarator and is not the value, the size or the type there."""
    above = node.parent
    if above is None or above.type not in _DECLARING:
        return False
    return above.type in ("preproc_params", "type_parameter_declaration") or any(
        child is not None and child.id == node.id for child in (above.child_by_field_name("declarator"), above.child_by_field_name("name"))
    )


def _apart(common: int, ours: int, theirs: int) -> float:
    return 1.0 - common / (ours + theirs - common)


class Neighbours:
    """Sources by name, and which of them lies within a distance of another source.

    The distance is a metric: whatever lies near a source is about as far from the first source kept. So only those are looked at, and
    of them the `looked_at` likeliest; with the last `room` sources kept, neither time nor memory grows with a run.
    """

    def __init__(self, *, room: int = 20_000, looked_at: int = 500) -> None:
        self._room, self._looked_at = room, looked_at
        self._pivot: frozenset[int] | None = None
        self._runs: dict[str, array[int]] = {}
        self._ordered: list[tuple[float, str]] = []  # by distance from the pivot
        self._age: deque[tuple[float, str]] = deque()

    def put(self, name: str, text: str) -> None:
        """Keep a source; one whose name is known already stays as it was."""
        if name in self._runs:
            return
        own = runs(text)
        self._pivot = own if self._pivot is None else self._pivot
        entry = (self._from_pivot(own), name)
        self._runs[name] = array("q", own)
        insort(self._ordered, entry)
        self._age.append(entry)
        if len(self._age) > self._room:
            self._forget(self._age.popleft())

    def nearest(self, text: str, within: float) -> tuple[str, float] | None:
        """Name and distance of the nearest source kept that is less than `within` away."""
        if not self._runs or within <= 0.0:
            return None
        own = runs(text)
        at = self._from_pivot(own)
        low, high = bisect_left(self._ordered, (at - within, "")), bisect_left(self._ordered, (at + within, ""))
        middle = bisect_left(self._ordered, (at, ""), low, high)
        half = self._looked_at // 2
        looked_at = self._ordered[max(low, middle - half) : min(high, middle + half)]
        found = min(((self._distance(own, name), name) for _, name in looked_at), default=(1.0, ""))
        return (found[1], found[0]) if found[0] < within else None

    def _from_pivot(self, own: frozenset[int]) -> float:
        pivot = self._pivot or own
        return _apart(len(own & pivot), len(own), len(pivot))

    def _distance(self, own: frozenset[int], name: str) -> float:
        other = self._runs[name]
        return _apart(len(own.intersection(other)), len(own), len(other))

    def _forget(self, entry: tuple[float, str]) -> None:
        del self._runs[entry[1]]
        del self._ordered[bisect_left(self._ordered, entry)]
