"""Kernels that a person adds to a run: from the inbox into the journal, exactly once, beside what the strategy asks for."""

import threading
import time
from concurrent.futures import Future
from dataclasses import replace

import pytest
from fakes import FakeWorker
from nodes import passing

from kernelsearch.errors import UsageError
from kernelsearch.model import Attempt, Budget, Outcome, RewardProfile
from kernelsearch.model.run import NO_TICKET
from kernelsearch.search import NodeDone, Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.hints import Hints
from kernelsearch.store.inbox import LARGEST, Inbox, Letter
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import open_strategy
from kernelsearch.workers.by_hand import ByHand
from kernelsearch.workers.guidance import Guidance


class Worker(FakeWorker):
    """Judges what was added: its source says its time. What the strategy asks for takes `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def submit(self, request) -> Future:
        if not self.seconds or request.proposal is None:
            return super().submit(request)
        future: Future = Future()

        def answer() -> None:
            time.sleep(self.seconds)
            future.set_result(self.attempt(request))

        threading.Thread(target=answer, daemon=True).start()
        return future

    def attempt(self, request) -> Attempt:
        if request.candidate is None:
            return super().attempt(request)
        against = request.context.best.evaluation.candidate
        found = passing(float(request.candidate.source), request.candidate.source, against=against)
        return Attempt(proposal=request.proposal, outcome=Outcome.EVALUATED, candidate=request.candidate, evaluation=found)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", Blobs(tmp_path / "blobs"))
    yield journal
    journal.close()


@pytest.fixture
def warned():
    return []


@pytest.fixture
def run(tmp_path, warned):
    def make(candidates: int, watch=lambda event: None, parallel: int = 1, stop: threading.Event | None = None) -> Run:
        return Run(
            budget=Budget(candidates=candidates),
            parallel=parallel,
            rewards=RewardProfile(name="test", weights={"speedup": 1.0}, gates={}),
            watch=watch,
            stop=stop or threading.Event(),
            guidance=Guidance(tmp_path, "mailbox:x", note=lambda text: None, warn=warned.append),
            by_hand=ByHand(Inbox(tmp_path), "t", warned.append),
        )

    return make


def mcts():
    return open_strategy("mcts", seed=3, options={})


def added(journal) -> list:
    return [node for node in journal.nodes[1:] if node.attempt.proposal.by_hand]


def test_a_letter_says_what_is_wrong_with_it():
    for source, said in (("", "empty"), (" \n\t", "empty"), ("x" * (LARGEST + 1), "more than 1,000,000")):
        with pytest.raises(UsageError, match=said):
            Letter(source=source)


def test_what_is_added_before_the_run_is_judged_first_from_the_best_and_counts_in_no_budget(journal, run, tmp_path):
    inbox = Inbox(tmp_path)
    inbox.drop(Letter(source="20.0", note="by experience", flags=("-O1",)))
    inbox.drop(Letter(source="90.0", parent=0))
    ended = search(run(3), mcts(), Worker(), journal)
    first, second = added(journal)
    assert ended == "budget reached: 3 candidates" and inbox.names() == ()
    assert (journal.totals.candidates, journal.totals.by_hand, len(journal.nodes)) == (3, 2, 6)
    assert (first.parent, first.attempt.proposal.ticket, first.candidate.flags) == (0, NO_TICKET, ("-O1",))
    assert (first.candidate.origin.proposer, first.candidate.origin.summary) == ("by hand", "by experience")
    assert second.parent == 0 and second.candidate.origin.summary == "written by hand"
    assert first.evaluation.confirmation.held and any(node.parent == first.number for node in journal.nodes)


def test_what_is_added_at_the_end_of_the_budget_is_judged_and_can_be_gone_on_from(journal, run, tmp_path):
    inbox = Inbox(tmp_path)

    def add(event) -> None:
        if isinstance(event, NodeDone) and event.node.number == 4:
            inbox.drop(Letter(source="1.0"))

    search(run(4, add), mcts(), Worker(), journal)
    (node,) = added(journal)
    assert node.number == 5 and journal.best is node
    again = Journal(journal.path, Blobs(tmp_path / "blobs"))
    search(run(12), mcts(), Worker(), again)
    again.close()
    assert any(other.parent == 5 for other in again.nodes)


def test_a_run_that_is_stopped_leaves_letters_to_the_next(journal, run, tmp_path):
    stop, inbox = threading.Event(), Inbox(tmp_path)

    def end(event) -> None:
        if isinstance(event, NodeDone) and event.node.number == 2:
            inbox.drop(Letter(source="5.0"))
            stop.set()

    search(run(9, end, stop=stop), mcts(), Worker(), journal)
    assert len(inbox.names()) == 1 and added(journal) == []
    search(run(9), mcts(), Worker(), journal)
    assert inbox.names() == () and len(added(journal)) == 1


def test_a_letter_whose_attempt_is_recorded_is_not_judged_again(journal, run, tmp_path):
    inbox = Inbox(tmp_path)
    name = inbox.drop(Letter(source="7.0"))
    letter = (tmp_path / "inbox" / f"{name}.json").read_bytes()
    search(run(1), mcts(), Worker(), journal)
    (tmp_path / "inbox" / f"{name}.json").write_bytes(letter)  # as if the run had died before it emptied the inbox
    search(run(2), mcts(), Worker(), journal)
    assert len(added(journal)) == 1 and inbox.names() == ()


@pytest.mark.parametrize("text", [b"\xff", b"{}", b'{"source": ""}', b'{"source": "5.0", "parent": 77}'])
def test_what_cannot_be_judged_is_set_aside_and_said(journal, run, tmp_path, warned, text):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "1.json").write_bytes(text)
    search(run(1), mcts(), Worker(), journal)
    assert added(journal) == [] and len(warned) == 1 and "1.refused" in warned[0]
    assert (tmp_path / "inbox" / "1.refused").read_bytes() == text


@pytest.mark.parametrize("parallel", [1, 4])
def test_letters_and_hints_that_come_while_a_search_goes_on(journal, run, tmp_path, parallel):
    """Three writers, as other processes would be: nothing is lost, nothing is judged twice, and hints go into what is asked later."""
    inbox = Inbox(tmp_path)

    def write(name: int) -> None:
        for number in range(6):
            inbox.drop(Letter(source=f"{1000 + 10 * name + number}.0"))
            Hints(tmp_path).give(f"idea {name} {number}")

    def begin(event) -> None:
        if isinstance(event, NodeDone) and event.node.number == 0:
            for writer in writers:
                writer.start()

    writers = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    worker = Worker(seconds=0.004)
    search(replace(run(30, begin, parallel), budget=Budget(candidates=30)), mcts(), worker, journal)
    for writer in writers:
        writer.join()
    search(run(34, parallel=parallel), mcts(), worker, journal)  # for what came when it had ended
    assert sorted(node.candidate.source for node in added(journal)) == sorted(f"{1000 + 10 * a + b}.0" for a in range(3) for b in range(6))
    asked = [node.attempt.proposal for node in journal.nodes[1:] if not node.attempt.proposal.by_hand]
    assert [p.ticket for p in sorted(asked, key=lambda p: p.ticket)] == list(range(34))
    told = [p.hints for p in sorted(asked, key=lambda p: p.ticket)]
    assert told == sorted(told) and told[-1] == tuple(range(11, 19))


def test_a_letter_is_taken_up_while_an_attempt_takes_its_time(journal, run, tmp_path):
    """The attempt under way waits for the letter's verdict, so the search could not end if it waited for the attempt first."""
    judged = threading.Event()

    class Slow(Worker):
        def submit(self, request) -> Future:
            if request.proposal is None or request.candidate is not None:
                return super().submit(request)
            Inbox(tmp_path).drop(Letter(source="3.0"))
            future: Future = Future()

            def answer() -> None:
                future.set_result(self.attempt(request) if judged.wait(60) else None)

            threading.Thread(target=answer, daemon=True).start()
            return future

    def watch(event) -> None:
        if isinstance(event, NodeDone) and event.node.number and event.node.attempt.proposal.by_hand:
            judged.set()

    search(run(1, watch), mcts(), Slow(), journal)
    assert [bool(node.attempt.proposal.by_hand) for node in journal.nodes[1:]] == [True, False]
