"""One attempt: propose an edit, then judge it; or try a kernel again. A function from request to result that shares nothing but a site."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from kernelsearch import digest
from kernelsearch.errors import LlmError, LlmMisconfigured, NothingToPropose
from kernelsearch.evaluate import Incumbent
from kernelsearch.llm.base import RefusedReply
from kernelsearch.model import Attempt, Candidate, Context, Mended, Node, Outcome, Proposal, Task, Teamwork
from kernelsearch.propose.base import Draft, Mender, Proposer, RefusedEdit, UnusableReply
from kernelsearch.workers.base import Request, Site, Work
from kernelsearch.workers.consent import UNASKED, Desk, Question
from kernelsearch.workers.judged import Judged

_FAILURE = 1_000  # characters of what is kept of a failure that was repaired


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where attempts at one task are made."""

    task: Task
    site: Site
    proposer: Proposer
    judged: Judged
    desk: Desk | None = None  # where the owner of the run is asked before anything is built; None where nobody is


def attempt(request: Request, bench: Bench) -> Attempt:
    """Carry out `request`. What a model or a candidate does wrong is in the attempt; a raised exception is ours."""
    start = time.perf_counter()
    if request.proposal is None or request.context is None:
        done = _baseline(bench)
    elif request.candidate is not None:
        by_hand = replace(bench, desk=None)  # its owner wrote it
        done = _judge(request.proposal, request.candidate, by_hand, request.context)
    else:
        carry_out = _repeat if request.proposal.repeat else _edit
        done = carry_out(request.proposal, request.context, bench)
    return replace(done, seconds=time.perf_counter() - start)


def _baseline(bench: Bench) -> Attempt:
    task = bench.task
    candidate = digest.baseline(task)
    evaluation = bench.site.judge(Work(task=task, candidate=candidate))
    bench.judged.put(candidate, evaluation)
    return Attempt(proposal=None, outcome=Outcome.EVALUATED, candidate=candidate, evaluation=evaluation)


def _repeat(proposal: Proposal, context: Context, bench: Bench) -> Attempt:
    """The parent's kernel once more. No candidate comes of it; the counters are the parent's, since the kernel is the same."""
    if context.parent.candidate is None:
        raise ValueError("a repeat needs a parent with a kernel")
    evaluation = bench.site.judge(Work(task=bench.task, candidate=context.parent.candidate, trial=proposal.ticket))
    first = context.parent.evaluation
    if evaluation.passed and first is not None:
        evaluation = replace(evaluation, profile=first.profile)
    detail = f"another trial of node {context.parent.number}: {evaluation.detail}".removesuffix(": ")
    return Attempt(proposal=proposal, outcome=Outcome.REPEATED, evaluation=evaluation, detail=detail)


def _edit(proposal: Proposal, context: Context, bench: Bench) -> Attempt:
    while True:
        try:
            draft = bench.proposer.propose(proposal, context, bench.task, bench.site.hardware)
        except NothingToPropose as error:
            return Attempt(proposal=proposal, outcome=Outcome.EXHAUSTED, detail=str(error))
        except UnusableReply as error:
            failed = Attempt(proposal=proposal, outcome=Outcome.UNUSABLE, detail=str(error), usage=error.usage)
            return replace(failed, prompt=error.prompt, reply=error.reply, team=error.team)
        except LlmMisconfigured:
            raise  # no later attempt can do better
        except LlmError as error:
            failed = Attempt(proposal=proposal, outcome=Outcome.LLM_FAILED, detail=str(error))
            if isinstance(error, RefusedReply):
                failed = replace(failed, usage=error.usage, prompt=error.prompt, reply=error.text)
            if isinstance(error, RefusedEdit):
                failed = replace(failed, team=error.team)
            return failed
        candidate = _candidate(draft, bench.task)
        done = replace(_judge(proposal, candidate, bench, context), team=draft.team)
        if done.outcome is not Outcome.DUPLICATE or candidate.origin.usage.calls:
            return _mended(done, bench, context)
        # An edit that cost nothing is simply made again, with the duplicate among those already tried.
        context = replace(context, siblings=(*context.siblings, Node(number=-1, attempt=done)))


def _mended(done: Attempt, bench: Bench, context: Context) -> Attempt:
    """`done`, or what repairs made of it: one attempt with the last candidate that was judged, and with what all of them took."""
    mender = bench.proposer
    if not isinstance(mender, Mender):
        return done
    while (repair := mender.mend(done, context, bench.task, bench.site.hardware)) is not None:
        said = repair.origin
        paid = replace(done, usage=said.usage, prompt=said.prompt, reply=said.reply, team=done.team + repair.team)
        if repair.draft is None or done.proposal is None:
            return paid
        again = _judge(done.proposal, _candidate(repair.draft, bench.task), bench, context)
        if again.outcome is not Outcome.EVALUATED:
            return replace(paid, team=paid.team + Teamwork(notes=(f"a repair was not judged: {again.detail}",)))
        done = replace(again, team=paid.team + Teamwork(mended=_failure(done)))
    return done


def _failure(done: Attempt) -> tuple[Mended, ...]:
    failed = done.evaluation
    if failed is None:
        return ()
    return (Mended(candidate=failed.candidate, verdict=failed.verdict, detail=failed.detail.strip()[:_FAILURE]),)


def _judge(proposal: Proposal, candidate: Candidate, bench: Bench, context: Context) -> Attempt:
    """Evaluate `candidate`, unless the same or one too near to it was judged before, or is being judged: then it is a duplicate. Where the
    owner of the run is to be asked, nothing is built before the answer."""
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
    if bench.desk is not None and bench.judged.declined(name):
        return replace(same, detail="the owner of this run refused the same kernel before")
    if (near := bench.judged.near(candidate, proposal.apart)) is not None:
        return replace(same, detail=f"only {near[1]:.4f} apart in structure from {_known_as(near[0], context)}, so it was not judged")
    with bench.judged.claim(name) as ours:
        if not ours:
            return replace(same, detail="the same kernel is being judged by another attempt")
        if bench.desk is not None and (why := bench.desk.allowed(_question(proposal, candidate, context))) is not None:
            if why != UNASKED:
                bench.judged.decline(name)
            return replace(same, outcome=Outcome.DECLINED, detail=why)
        evaluation = bench.site.judge(Work(task=bench.task, candidate=candidate, incumbent=_incumbent(context)), bench.judged.of_code)
        if evaluation.candidate != name:
            detail = f"compiled to the same machine code as {_known_as(evaluation.candidate, context)}"
            return replace(same, evaluation=evaluation, detail=detail)
        bench.judged.put(candidate, evaluation)
    return replace(same, outcome=Outcome.EVALUATED, evaluation=evaluation, detail="")


def _question(proposal: Proposal, candidate: Candidate, context: Context) -> Question:
    return Question(candidate=candidate, parent=context.parent, asked=proposal.directive or "")


def _known_as(name: str, context: Context) -> str:
    """A candidate by the number of its node, where the context shows it, else by its digest, which the journal has."""
    nodes = (context.parent, *context.lineage, *context.siblings, *context.others, *filter(None, (context.best, context.baseline)))
    number = next((n.number for n in nodes if n.evaluation is not None and n.evaluation.candidate == name and n.number >= 0), None)
    return f"candidate {name[:12]}" if number is None else f"node {number}"


def _incumbent(context: Context) -> Incumbent | None:
    """The best node of the run when the attempt was asked for."""
    best = context.best
    if best is None or best.candidate is None or best.evaluation is None or best.evaluation.measurement is None:
        return None
    return Incumbent(candidate=best.candidate, measurement=best.evaluation.measurement)


def _candidate(draft: Draft, task: Task) -> Candidate:
    return Candidate(task=digest.task(task), source=draft.source, flags=draft.flags, origin=draft.origin)
