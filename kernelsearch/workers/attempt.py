"""One attempt: propose an edit, then judge it. A function from request to result that shares nothing but a lab."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from kernelsearch import digest
from kernelsearch.errors import LlmError, LlmMisconfigured, NothingToPropose
from kernelsearch.evaluate import evaluate
from kernelsearch.lab import Lab
from kernelsearch.llm.base import RefusedReply
from kernelsearch.model import Attempt, Candidate, Evaluation, Node, Origin, Outcome, Proposal, Task
from kernelsearch.propose.base import Draft, Proposer, UnusableReply
from kernelsearch.workers.base import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where attempts at one task are made. `known` gives the evaluation of a candidate judged before, by digest."""

    task: Task
    lab: Lab
    proposer: Proposer
    known: Callable[[str], Evaluation | None]


def attempt(request: Request, bench: Bench) -> Attempt:
    """Carry out `request`. What a model or a candidate does wrong is in the attempt; a raised exception is ours."""
    start = time.perf_counter()
    done = _baseline(bench) if request.proposal is None else _edit(request, bench)
    return replace(done, seconds=time.perf_counter() - start)


def _baseline(bench: Bench) -> Attempt:
    task = bench.task
    candidate = Candidate(task=digest.task(task), source=task.baseline, flags=task.flags, origin=Origin(proposer="baseline"))
    return Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate, evaluation=evaluate(candidate, task, bench.lab))


def _edit(request: Request, bench: Bench) -> Attempt:
    proposal, context = request.proposal, request.context
    if proposal is None or context is None:
        raise ValueError("an edit needs a proposal and its context")
    while True:
        try:
            draft = bench.proposer.propose(proposal, context, bench.task, bench.lab.hardware)
        except NothingToPropose as error:
            return Attempt(proposal=proposal, outcome=Outcome.EXHAUSTED, detail=str(error))
        except UnusableReply as error:
            failed = Attempt(proposal=proposal, outcome=Outcome.UNUSABLE, detail=str(error), usage=error.usage)
            return replace(failed, prompt=error.prompt, reply=error.reply)
        except LlmMisconfigured:
            raise  # no later attempt can do better
        except LlmError as error:
            failed = Attempt(proposal=proposal, outcome=Outcome.LLM_FAILED, detail=str(error))
            if isinstance(error, RefusedReply):
                failed = replace(failed, usage=error.usage, prompt=error.prompt, reply=error.text)
            return failed
        candidate = _candidate(draft, bench.task)
        known = bench.known(digest.candidate(candidate))
        if known is None:
            return _judged(proposal, candidate, Outcome.EVALUATED, evaluate(candidate, bench.task, bench.lab))
        same = replace(_judged(proposal, candidate, Outcome.DUPLICATE, known), detail="the same kernel was judged before")
        if draft.origin.usage.calls:
            return same
        # An edit that cost nothing is simply made again, with the duplicate among those already tried.
        context = replace(context, siblings=(*context.siblings, Node(number=-1, attempt=same)))


def _judged(proposal: Proposal, candidate: Candidate, outcome: Outcome, evaluation: Evaluation) -> Attempt:
    origin = candidate.origin
    return Attempt(
        proposal=proposal,
        outcome=outcome,
        candidate=candidate,
        evaluation=evaluation,
        usage=origin.usage,
        prompt=origin.prompt,
        reply=origin.reply,
    )


def _candidate(draft: Draft, task: Task) -> Candidate:
    return Candidate(task=digest.task(task), source=draft.source, flags=draft.flags, origin=draft.origin)
