"""One attempt: what a proposer does wrong is recorded with its cost, and nothing is judged twice."""

from dataclasses import replace

import pytest
from nodes import failed, passed, passing

from kernelsearch import digest
from kernelsearch.errors import LlmMisconfigured, LlmRefused, NothingToPropose
from kernelsearch.evaluate import Incumbent
from kernelsearch.model import (
    Arg,
    ArgKind,
    Case,
    Context,
    DType,
    Expression,
    Form,
    Origin,
    Outcome,
    Profile,
    Proposal,
    Task,
    TimeKind,
    Usage,
)
from kernelsearch.propose.base import Draft, UnusableReply
from kernelsearch.workers import attempt as module
from kernelsearch.workers.attempt import Bench, attempt
from kernelsearch.workers.base import Request
from kernelsearch.workers.judged import Judged
from kernelsearch.workers.local import LocalWorker

TASK = Task(
    name="t",
    form=Form.LAUNCHER,
    entry="solve",
    args=(Arg(name="y", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(Expression("4"),)),),
    cases=(Case(name="c0", sizes={}, timed=True),),
    baseline="// baseline",
)
PROPOSAL = Proposal(ticket=0, parent=0, seed=1)
REQUEST = Request(proposal=PROPOSAL, context=Context(parent=passed(0, None, 10.0)))


class Scripted:
    """Gives the drafts in order, skipping those that a sibling shows as tried, as rules do."""

    name = "scripted"

    def __init__(self, *sources: str, usage: Usage | None = None, error: Exception | None = None) -> None:
        self.sources, self.usage, self.error = sources, usage or Usage(), error

    def propose(self, proposal, context, task, hardware) -> Draft:
        if self.error is not None:
            raise self.error
        tried = {node.candidate.source for node in context.siblings}
        for source in self.sources:
            if source not in tried or self.usage.calls:
                return Draft(source=source, flags=("-O3",), origin=Origin(proposer=self.name, prompt="p", reply="r", usage=self.usage))
        raise NothingToPropose("all tried")


class Lab:
    hardware = None


@pytest.fixture
def incumbents():
    """What each candidate had to beat, in the order in which they were judged."""
    return []


@pytest.fixture
def judged(monkeypatch, incumbents):
    seen = []

    def evaluate(candidate, task, lab, incumbent=None, known=None):
        seen.append(candidate.source)
        incumbents.append(incumbent)
        return passing(5.0, digest.candidate(candidate))

    monkeypatch.setattr(module, "evaluate", evaluate)
    return seen


def bench(proposer, known=()) -> Bench:
    judged = Judged()
    for candidate in known:
        judged.put(candidate, passing(7.0, digest.candidate(candidate)))
    return Bench(task=TASK, lab=Lab(), proposer=proposer, judged=judged)


def candidate(source: str):
    draft = Scripted(source).propose(PROPOSAL, REQUEST.context, TASK, None)
    return module._candidate(draft, TASK)


def test_without_a_proposal_the_baseline_is_judged(judged):
    done = attempt(Request(), bench(Scripted()))
    assert done.proposal is None and judged == ["// baseline"]
    assert done.candidate.flags == TASK.flags


def test_a_draft_is_judged_and_its_texts_kept(judged):
    done = attempt(REQUEST, bench(Scripted("a", usage=Usage(usd=0.5, calls=1))))
    assert done.outcome is Outcome.EVALUATED and judged == ["a"]
    assert (done.prompt, done.reply, done.usage.usd) == ("p", "r", 0.5)


def test_a_candidate_has_to_beat_the_best_of_when_it_was_asked_for(judged, incumbents):
    best = passed(3, PROPOSAL, 6.0)
    here = bench(Scripted("a", "b", "c"))
    attempt(Request(), here)
    attempt(REQUEST, here)
    attempt(replace(REQUEST, context=replace(REQUEST.context, best=best)), here)
    failing = failed(3, PROPOSAL)
    later = replace(REQUEST.context, best=failing, siblings=(passed(1, PROPOSAL, 5.0), passed(2, PROPOSAL, 5.0)))
    attempt(replace(REQUEST, context=later), here)
    measurement = best.evaluation.measurement
    assert incumbents == [None, None, Incumbent(candidate=best.candidate, measurement=measurement), None]


def test_a_rules_duplicate_is_passed_over(judged):
    done = attempt(REQUEST, bench(Scripted("a", "b"), known=[candidate("a")]))
    assert done.outcome is Outcome.EVALUATED and judged == ["b"]


def test_rules_with_nothing_new_are_exhausted(judged):
    done = attempt(REQUEST, bench(Scripted("a"), known=[candidate("a")]))
    assert done.outcome is Outcome.EXHAUSTED and judged == []


def test_a_models_duplicate_is_recorded_since_it_was_paid_for(judged):
    done = attempt(REQUEST, bench(Scripted("a", usage=Usage(usd=0.5, calls=1)), known=[candidate("a")]))
    assert done.outcome is Outcome.DUPLICATE and judged == []
    assert done.evaluation.time_us == pytest.approx(7.0) and done.usage.usd == 0.5


def test_a_rules_edit_that_another_attempt_is_judging_is_passed_over(judged):
    here = bench(Scripted("a", "b"))
    with here.judged.claim(digest.candidate(candidate("a"))):
        done = attempt(REQUEST, here)
    assert done.outcome is Outcome.EVALUATED and judged == ["b"]


def test_a_models_edit_that_another_attempt_is_judging_is_recorded(judged):
    here = bench(Scripted("a", usage=Usage(usd=0.5, calls=1)))
    with here.judged.claim(digest.candidate(candidate("a"))):
        done = attempt(REQUEST, here)
    assert done.outcome is Outcome.DUPLICATE and done.evaluation is None and judged == []


def test_an_unusable_reply_is_recorded_with_its_tokens(judged):
    error = UnusableReply("no block found", prompt="p", reply="chatter", usage=Usage(output_tokens=9, calls=3))
    done = attempt(REQUEST, bench(Scripted(error=error)))
    assert done.outcome is Outcome.UNUSABLE and done.usage.output_tokens == 9
    assert done.reply == "chatter" and "no block" in done.detail


def test_a_refusal_is_recorded(judged):
    done = attempt(REQUEST, bench(Scripted(error=LlmRefused("declined"))))
    assert done.outcome is Outcome.LLM_FAILED and "declined" in done.detail


def test_a_wrong_key_ends_the_run(judged):
    with pytest.raises(LlmMisconfigured):
        attempt(REQUEST, bench(Scripted(error=LlmMisconfigured("set ANTHROPIC_API_KEY"))))


def test_a_local_worker_remembers_what_it_judged(judged):
    worker = LocalWorker(task=TASK, lab=Lab(), proposer=Scripted("a"))
    assert worker.submit(REQUEST).result().outcome is Outcome.EVALUATED
    assert worker.submit(REQUEST).result().outcome is Outcome.EXHAUSTED
    worker.close()
    assert judged == ["a"]


def test_a_local_worker_takes_over_nodes_of_an_earlier_session(judged):
    worker = LocalWorker(task=TASK, lab=Lab(), proposer=Scripted("a", "b"))
    first = worker.submit(REQUEST).result()
    worker.close()
    later = LocalWorker(task=TASK, lab=Lab(), proposer=Scripted("a", "b"))
    later.remember(type(REQUEST.context.parent)(number=1, attempt=first))
    assert later.submit(REQUEST).result().candidate.source == "b"
    later.close()


def test_a_repeat_tries_the_parents_kernel_again_with_its_counters(judged, monkeypatch):
    again = []
    monkeypatch.setattr(module, "repeat", lambda candidate, task, lab, trial: again.append((candidate, trial)) or passing(9.0))
    profile = Profile(metric_set="quick", kind=TimeKind.MODELLED, kernel="k", metrics={})
    parent = REQUEST.context.parent
    parent = replace(parent, attempt=replace(parent.attempt, evaluation=replace(parent.evaluation, profile=profile)))
    proposal = replace(PROPOSAL, ticket=7, repeat=True)
    done = attempt(Request(proposal=proposal, context=Context(parent=parent)), bench(Scripted()))
    assert again == [(parent.candidate, 7)] and judged == []
    assert done.outcome is Outcome.REPEATED and done.candidate is None and "node 0" in done.detail
    assert done.evaluation.time_us == pytest.approx(9.0) and done.evaluation.profile is profile


def test_what_is_too_near_is_not_judged_and_rules_go_on(judged):
    near = "int a;\nvoid f() { a = 1; }"
    known = candidate(near)
    renamed, far = near.replace("a", "b"), near.replace("1", "2")
    asked = Request(proposal=replace(PROPOSAL, apart=0.002), context=REQUEST.context)
    done = attempt(asked, bench(Scripted(renamed, far), known=[known]))
    assert done.outcome is Outcome.EVALUATED and judged == [far]
    paid = Scripted(renamed, usage=Usage(calls=1))
    done = attempt(asked, bench(paid, known=[known]))
    assert done.outcome is Outcome.DUPLICATE and done.evaluation is None and digest.candidate(known)[:12] in done.detail
    assert attempt(REQUEST, bench(paid, known=[known])).outcome is Outcome.EVALUATED  # nobody asked for a distance


def test_other_flags_make_another_kernel_of_the_same_source(judged):
    known = replace(candidate("int a;"), flags=("-O1",))
    done = attempt(Request(proposal=replace(PROPOSAL, apart=0.5), context=REQUEST.context), bench(Scripted("int a;"), known=[known]))
    assert done.outcome is Outcome.EVALUATED


def test_a_twin_in_machine_code_shares_the_evaluation(monkeypatch):
    first = passing(7.0, "twin")
    monkeypatch.setattr(module, "evaluate", lambda candidate, task, lab, incumbent=None, known=None: known("code") or passing(1.0))
    here = bench(Scripted("a", usage=Usage(calls=1)))
    here.judged.put(candidate("other"), first, "code")
    done = attempt(REQUEST, here)
    assert done.outcome is Outcome.DUPLICATE and done.evaluation is first and "same machine code" in done.detail
