"""The history of a run: an append-only file with one line a node. State is a fold over it, and resuming is replaying.

A line is `<checksum> <json>`; long texts (source, prompt, reply) are blobs. Only the main thread of a run writes here. A line that is
not what was written ends the readable part: what stands before it is whole and is kept.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from io import FileIO
from pathlib import Path

from kernelsearch import codec, digest
from kernelsearch.errors import JournalDamaged, UsageError
from kernelsearch.model import Attempt, Context, Node, Outcome, Proposal, Reward, Totals
from kernelsearch.scrub import scrub
from kernelsearch.store.blobs import Blobs

_INLINE = 120  # texts up to this length stay in the line, where a person can read them
_BLOB = "blob:"


class Journal:
    """Nodes of a run in order, with what follows from them: children, the best, and what has been spent.

    Opening reads all whole lines. `damage` tells of a line that could not be read; `repair()` must then be called before `append`.
    """

    def __init__(self, path: Path, blobs: Blobs) -> None:
        self.path = path
        self.nodes: list[Node] = []
        self.totals = Totals()
        self.damage: JournalDamaged | None = None
        self._blobs = blobs
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._best: Node | None = None
        self._file: FileIO | None = None
        self._whole = 0  # bytes of the file that are whole lines
        if path.exists():
            self._read()

    @property
    def best(self) -> Node | None:
        """The baseline, or the last node that was shown to be faster than the best before it."""
        return self._best

    def children(self, number: int) -> tuple[Node, ...]:
        """Attempts made from a node, oldest first."""
        return tuple(self.nodes[child] for child in self._children[number])

    def lineage(self, number: int) -> tuple[Node, ...]:
        """Ancestors of a node, its parent first, the baseline last."""
        ancestors: list[Node] = []
        parent = self.nodes[number].parent
        while parent is not None:
            ancestors.append(self.nodes[parent])
            parent = self.nodes[parent].parent
        return tuple(ancestors)

    def context(self, proposal: Proposal) -> Context:
        """What a proposer is shown for `proposal`."""
        return Context(
            parent=self.nodes[proposal.parent],
            lineage=self.lineage(proposal.parent),
            siblings=self.children(proposal.parent),
            others=tuple(self.nodes[number] for number in proposal.others),
            best=self._best,
            baseline=self.nodes[0],
        )

    def catch_up(self) -> tuple[Node, ...]:
        """Nodes that another process has written since; for readers. A line waits that is not whole yet, or whose texts are not there."""
        before = len(self.nodes)
        self.damage = None
        if self.path.exists():
            self._read()
        return tuple(self.nodes[before:])

    def append(self, attempt: Attempt, reward: Reward | None, at_seconds: float) -> Node:
        """Record an attempt and return its node. Raises `UsageError` when the disk refuses; the file is then as before."""
        node = Node(number=len(self.nodes), attempt=attempt, reward=reward, at_seconds=at_seconds)
        try:
            self._write(self._line(node))
        except OSError as error:
            raise UsageError(
                f"cannot write {self.path}: {error.strerror}. Nothing recorded so far is lost; "
                f"mend that, then `kernelsearch resume {self.path.parent}`"
            ) from error
        self._fold(node)
        return node

    def repair(self) -> Path | None:
        """Move everything from the damaged line on to a file beside the journal; returns that file, None when nothing was wrong."""
        if self.damage is None:
            return None
        data = self.path.read_bytes()
        aside = self.path.with_name(f"{self.path.name}.damaged-line-{self.damage.line}")
        aside.write_bytes(data[self._whole :])
        with self.path.open("r+b") as file:
            file.truncate(self._whole)
        self.damage = None
        return aside

    def close(self) -> None:
        """Flush to disk and close; the nodes stay readable."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _write(self, line: bytes) -> None:
        if self.damage is not None:
            raise self.damage
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)  # a buffer would try again what the disk refused
        try:
            rest = line
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.close()
            self._file = None
            os.truncate(self.path, self._whole)
            raise
        self._whole += len(line)

    def _read(self) -> None:
        """From where the last reading ended."""
        with self.path.open("rb") as file:
            file.seek(self._whole)
            for number, line in enumerate(file, len(self.nodes) + 1):
                try:
                    node = self._parse(line)
                    if node.number != len(self.nodes):
                        raise UsageError(f"node {node.number} stands where {len(self.nodes)} belongs")
                except UsageError as error:
                    self.damage = JournalDamaged(
                        f"{self.path}, line {number}: {error}; the {len(self.nodes)} nodes before it are whole", number
                    )
                    return
                self._fold(node)
                self._whole += len(line)

    def _fold(self, node: Node) -> None:
        self.nodes.append(node)
        if node.parent is not None:
            self._children[node.parent].append(node.number)
        if node.passed and (self._best is None or supersedes(node, self._best)):
            self._best = node
        self.totals = counted(self.totals, node)

    def _line(self, node: Node) -> bytes:
        slim = replace(node, attempt=self._map_texts(_scrubbed(node.attempt), self._shelve))
        text = codec.dump_json(slim)
        return f"{digest.of_text(text)} {text}\n".encode()

    def _parse(self, line: bytes) -> Node:
        if not line.endswith(b"\n"):
            raise UsageError("it is torn: the end is missing")
        name, _, text = line.decode("utf-8", errors="replace").rstrip("\n").partition(" ")
        if digest.of_text(text) != name:
            raise UsageError("its checksum differs, so it is not what was written")
        node = codec.load_json(Node, text)
        return replace(node, attempt=self._map_texts(node.attempt, self._fetch))

    def _map_texts(self, attempt: Attempt, change: Callable[[str], str]) -> Attempt:
        candidate = attempt.candidate
        if candidate is not None:
            origin = replace(candidate.origin, prompt=change(candidate.origin.prompt), reply=change(candidate.origin.reply))
            candidate = replace(candidate, source=change(candidate.source), origin=origin)
        return replace(attempt, candidate=candidate, prompt=change(attempt.prompt), reply=change(attempt.reply))

    def _shelve(self, text: str) -> str:
        if len(text) <= _INLINE and not text.startswith(_BLOB):
            return text
        return _BLOB + self._blobs.put(text.encode())

    def _fetch(self, text: str) -> str:
        return self._blobs.get(text.removeprefix(_BLOB)).decode() if text.startswith(_BLOB) else text


def _scrubbed(attempt: Attempt) -> Attempt:
    """Without keys in what was said. Sources stay to the letter: their digest is their name."""
    candidate = attempt.candidate
    if candidate is not None:
        said = candidate.origin
        origin = replace(
            said, directive=scrub(said.directive), summary=scrub(said.summary), prompt=scrub(said.prompt), reply=scrub(said.reply)
        )
        candidate = replace(candidate, origin=origin)
    return replace(attempt, candidate=candidate, prompt=scrub(attempt.prompt), reply=scrub(attempt.reply), detail=scrub(attempt.detail))


def counted(totals: Totals, node: Node) -> Totals:
    """What a run has used after one more node."""
    proposal = node.attempt.proposal
    by_hand = proposal is not None and bool(proposal.by_hand)
    counts = proposal is not None and not by_hand and node.attempt.outcome is not Outcome.EXHAUSTED
    return totals.with_attempt(node.attempt.usage, counts=counts, at_seconds=node.at_seconds, by_hand=by_hand)


def supersedes(node: Node, best: Node) -> bool:
    """Whether `node`, which passed, takes the place of `best`: its second trial showed that it is faster.

    That trial was against the best node of the time when the attempt began. Where another has become the best since, the two must be
    apart by what both showed against the baseline.
    """
    ours, theirs = node.evaluation, best.evaluation
    if ours is None or theirs is None or ours.confirmation is None or not ours.confirmation.held:
        return False
    if node.attempt.outcome is Outcome.REPEATED:  # another trial says more of a kernel that is there already
        return False
    if ours.confirmation.against == theirs.candidate:
        return True
    mine, other = ours.measurement, theirs.measurement
    return mine is not None and other is not None and mine.apart_from(other)
