"""Kernels from a run's inbox as attempts: nothing is proposed, they are judged like any other.

They belong to no ticket and count against no budget of candidates: they are what the run's owner wants to know. As the journal names the
letter, each is recorded once, also where a run ended between recording it and emptying the inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kernelsearch.errors import UsageError
from kernelsearch.model import Attempt, Candidate, Node, Origin, Proposal
from kernelsearch.model.run import NO_TICKET
from kernelsearch.store.inbox import Inbox, Letter
from kernelsearch.store.journal import Journal
from kernelsearch.workers.base import Request

PROPOSER = "by hand"


class ByHand:
    """For the thread that owns a run. `task`: the digest; `say` takes a sentence about a letter that cannot be judged."""

    def __init__(self, inbox: Inbox, task: str, say: Callable[[str], None]) -> None:
        self._inbox = inbox
        self._task = task
        self._say = say
        self._taken: set[str] = set()  # by this session

    def waiting(self) -> bool:
        """Whether there is a letter that was not taken up."""
        return any(name not in self._taken for name in self._inbox.names())

    def requests(self, journal: Journal, room: int) -> list[Request]:
        """Up to `room` letters as requests, oldest first. The baseline must be recorded."""
        found: list[Request] = []
        for name in self._inbox.names():
            if name in self._taken or len(found) >= room:
                continue
            self._taken.add(name)
            if judged(journal.nodes, name) is not None:
                self._inbox.remove(name)
                continue
            try:
                found.append(self._request(name, self._inbox.read(name), journal))
            except UsageError as error:
                self._say(f"a kernel that was added cannot be judged and was set aside as {self._inbox.refuse(name)}: {error}")
        return found

    def recorded(self, attempt: Attempt) -> None:
        """Empty the inbox of what `attempt` judged, if it was a letter."""
        if attempt.proposal is not None and attempt.proposal.by_hand:
            self._inbox.remove(attempt.proposal.by_hand)

    def _request(self, name: str, letter: Letter, journal: Journal) -> Request:
        best = journal.best or journal.nodes[0]
        number = best.number if letter.parent is None else letter.parent
        parent = parent_of(journal.nodes, number)
        flags = letter.flags if letter.flags is not None or parent.candidate is None else parent.candidate.flags
        origin = Origin(proposer=PROPOSER, summary=letter.note or "written by hand")
        proposal = Proposal(ticket=NO_TICKET, parent=number, seed=0, by_hand=name)
        candidate = Candidate(task=self._task, source=letter.source, flags=flags or (), origin=origin)
        return Request(proposal=proposal, context=journal.context(proposal), candidate=candidate)


def judged(nodes: Sequence[Node], name: str) -> Node | None:
    """The node that judged the letter `name`."""
    return next((node for node in reversed(nodes) if node.attempt.proposal is not None and node.attempt.proposal.by_hand == name), None)


def parent_of(nodes: Sequence[Node], number: int) -> Node:
    """The attempt to go on from. Raises `UsageError` when there is none of that number, or it left no kernel."""
    if not 0 <= number < len(nodes):
        raise UsageError(f"there is no attempt {number}; the run has {len(nodes)}, from 0, the baseline")
    if nodes[number].candidate is None:
        raise UsageError(f"attempt {number} left no kernel to go on from; name another with --parent")
    return nodes[number]
