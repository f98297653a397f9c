"""What every worker must do: one answer for each request, of that request, whoever judges and wherever."""

from contextlib import closing, contextmanager

import pytest
from fakes import FakeWorker
from nodes import passed
from spooled import TASK, FakeStation, nursery, time_of

from kernelsearch import digest
from kernelsearch.errors import NothingToPropose
from kernelsearch.evaluate import none_known
from kernelsearch.model import Context, Node, Origin, Outcome, Proposal
from kernelsearch.propose.base import Draft
from kernelsearch.workers.base import Request, Work
from kernelsearch.workers.local import LocalWorker
from kernelsearch.workers.spool.letters import Wanted
from kernelsearch.workers.spool.site import Pace, SpoolSite


class Numbered:
    """One edit for each seed."""

    name = "numbered"

    def propose(self, proposal, context, task, hardware) -> Draft:
        assert hardware.name
        source = f"// edit {proposal.seed}"
        if any(node.candidate.source == source for node in context.siblings):
            raise NothingToPropose("that was the only one")
        return Draft(source=source, flags=(), origin=Origin(proposer=self.name))


class HereSite(FakeStation):
    """Judges in this process what the stations of the spool judge elsewhere."""

    def judge(self, work: Work, known=none_known):
        wanted = Wanted(task=work.task, candidate=work.candidate, incumbent=None, trial=None, metrics=None, secret="")
        return super().judge(wanted)


@contextmanager
def spooled(folder):
    with nursery(folder) as start, closing(SpoolSite(folder, secret="s", metrics=None, say=print, pace=Pace(poll_s=0.01))) as site:
        start()
        start()
        site.begin(TASK, lambda: False)
        yield LocalWorker(task=TASK, site=site, proposer=Numbered())


@pytest.fixture(scope="module", params=["fake", "local", "spool"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def worker(kind, tmp_path_factory):
    if kind == "spool":
        with spooled(tmp_path_factory.mktemp("spool")) as worker:
            yield worker
    else:
        yield FakeWorker() if kind == "fake" else LocalWorker(task=TASK, site=HereSite(), proposer=Numbered())


def asked(seed: int) -> Request:
    start = passed(0, None, 10.0)
    return Request(proposal=Proposal(ticket=seed, parent=0, seed=seed), context=Context(parent=start, best=start, baseline=start))


def test_without_a_proposal_the_baseline_is_judged(worker):
    done = worker.submit(Request()).result(timeout=60)
    assert done.proposal is None and done.outcome is Outcome.EVALUATED and done.evaluation.passed


def test_many_requests_at_once_have_one_answer_each_and_their_own(worker, kind):
    requests = [asked(seed) for seed in range(100, 140)]
    futures = [worker.submit(request) for request in requests]
    done = [future.result(timeout=60) for future in futures]
    assert [attempt.proposal for attempt in done] == [request.proposal for request in requests]
    assert all(attempt.outcome is Outcome.EVALUATED for attempt in done)
    if kind != "fake":
        assert [attempt.candidate.source for attempt in done] == [f"// edit {seed}" for seed in range(100, 140)]
        assert [attempt.evaluation.time_us for attempt in done] == pytest.approx([time_of(attempt.candidate) for attempt in done])
        assert all(attempt.evaluation.candidate == digest.candidate(attempt.candidate) for attempt in done)
        assert all(attempt.candidate.origin.proposer == "numbered" for attempt in done)


def test_what_was_judged_before_is_not_judged_again(worker, kind):
    if kind == "fake":
        pytest.skip("the fake answers every ticket with another kernel")
    first = worker.submit(asked(1)).result(timeout=60)
    assert worker.submit(asked(1)).result(timeout=60).outcome is Outcome.EXHAUSTED
    other = Draft(source="// edit 2", flags=(), origin=Origin(proposer="numbered"))
    candidate = type(first.candidate)(task=digest.task(TASK), source=other.source, origin=other.origin)
    worker.remember(
        Node(number=5, attempt=type(first)(proposal=None, outcome=first.outcome, candidate=candidate, evaluation=first.evaluation))
    )
    assert worker.submit(asked(2)).result(timeout=60).outcome is Outcome.EXHAUSTED


def test_several_machines_took_part(worker, kind):
    if kind != "spool":
        pytest.skip("there is one machine")
    done = [worker.submit(asked(seed)) for seed in range(200, 240)]
    machines = {future.result(timeout=60).evaluation.environment.facts["worker"] for future in done}
    assert len(machines) == 2
