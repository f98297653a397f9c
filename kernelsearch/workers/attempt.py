"""One attempt: propose an edit, then judge it. A function from request to result that shares nothing but a site."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from kernelsearch import digest
from kernelsearch.errors import LlmError, LlmMisconfigured, NothingToPropose
from kernelsearch.evaluate import Incumbent
from kernelsearch.llm.base import RefusedReply
from kernelsearch.model import Attempt, Candidate, Context, Node, Outcome, Proposal, Task
from kernelsearch.propose.base import Draft, Proposer, UnusableReply
from kernelsearch.workers.base import Request, Site, Work
from kernelsearch.workers.judged import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where attempts at one task are made."""

    task: Task
    site: Site
    proposer: Proposer
    judged: Judged


def attempt(request: Request, bench: Bench) -> Attempt:
    """Carry out `request`. What a model or a candidate does wrong is in the attempt; a raised exception is ours."""
    start = time.perf_counter()
    done = _baseline(bench) if request.proposal is None else _edit(request, bench)
    return replace(done, seconds=time.perf_counter() - start)


def _baseline(bench: Bench) -> Attempt:
    task = bench.task
    candidate = digest.baseline(task)
    evaluation = bench.site.judge(Work(task=task, candidate=candidate))
    bench.judged.put(digest.candidate(candidate), evaluation)
    return Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate, evaluation=evaluation)


def _edit(request: Request, bench: Bench) -> Attempt:
    proposal, context = request.proposal, request.context
    if proposal is None or context is None:
        raise ValueError("an edit needs a proposal and its context")
    while True:
        try:
            draft = bench.proposer.propose(proposal, context, bench.task, bench.site.hardware)
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
        done = _judge(proposal, candidate, bench, _incumbent(context))
        if done.outcome is Outcome.EVALUATED or candidate.origin.usage.calls:
            return done
        # An edit that cost nothing is simply made again, with the duplicate among those already tried.
        context = replace(context, siblings=(*context.siblings, Node(number=-1, attempt=done)))


def _judge(proposal: Proposal, candidate: Candidate, bench: Bench, incumbent: Incumbent | None) -> Attempt:
    """Evaluate `candidate`, unless that was done before or is being done: then a duplicate, the second kind without evaluation."""
    name = digest.candidate(candidate)
    origin = candidate.origin
    same = Attempt(
        proposal=proposal,
        outcome=Outcome.DUPLICATE,
        candidate=candidate,
        evaluation=bench.judged.get(name),
        detail="the same kernel was judged before",
        usage=origin.usage,
        prompt=origin.prompt,
        reply=origin.reply,
    )
    if same.evaluation is not None:
        return same
    with bench.judged.claim(name) as ours:
        if not ours:
            return replace(same, detail="the same kernel is being judged by another attempt")
        evaluation = bench.site.judge(Work(task=bench.task, candidate=candidate, incumbent=incumbent))
        bench.judged.put(name, evaluation)
    return replace(same, outcome=Outcome.EVALUATED, evaluation=evaluation, detail="")


def _incumbent(context: Context) -> Incumbent | None:
    """The best node of the run when the attempt was asked for."""
    best = context.best
    if best is None or best.candidate is None or best.evaluation is None or best.evaluation.measurement is None:
        return None
    return Incumbent(candidate=best.candidate, measurement=best.evaluation.measurement)


def _candidate(draft: Draft, task: Task) -> Candidate:
    return Candidate(task=digest.task(task), source=draft.source, flags=draft.flags, origin=draft.origin)
