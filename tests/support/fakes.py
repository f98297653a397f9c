"""A worker that needs no device: edits with effects drawn from their seed."""

import random
from concurrent.futures import Future

from nodes import candidate, passing

from kernelsearch.model import Attempt, Outcome, Usage


class FakeWorker:
    """Answers at once; what is faster than the best is confirmed. `replies` overrides what becomes of attempts, by ticket."""

    def __init__(self, *, usd: float = 0.0, replies=None) -> None:
        self.usd = usd
        self.replies = replies or {}
        self.remembered = []
        self.tickets = []

    def submit(self, request) -> Future:
        future: Future = Future()
        future.set_result(self.attempt(request))
        return future

    def remember(self, node) -> None:
        self.remembered.append(node)

    def close(self) -> None:
        pass

    def attempt(self, request) -> Attempt:
        proposal = request.proposal
        if proposal is None:
            return Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate(0), evaluation=passing(100.0, "0"))
        self.tickets.append(proposal.ticket)
        if proposal.ticket in self.replies:
            return self.replies[proposal.ticket](proposal)
        factor = random.Random(proposal.seed).uniform(0.8, 1.2)
        time_us, best = request.context.parent.time_us * factor, request.context.best
        against = best.evaluation.candidate if time_us < best.time_us else ""
        return Attempt(
            proposal=proposal,
            outcome=Outcome.EVALUATED,
            candidate=candidate(proposal.ticket + 1),
            evaluation=passing(time_us, str(proposal.ticket + 1), against=against),
            usage=Usage(usd=self.usd, calls=1),
        )
