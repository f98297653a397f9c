"""Asking before a candidate runs: from the thread of an attempt to a person at a terminal, and what becomes of each answer."""

import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from nodes import candidate, passed, passing
from rich.console import Console

import runs
from kernelsearch import digest
from kernelsearch.cli import asking, group, run
from kernelsearch.cli.live import LiveView
from kernelsearch.cli.views import PlainView
from kernelsearch.errors import UsageError
from kernelsearch.model import Attempt, Budget, Context, Origin, Outcome, Proposal, RewardProfile, Usage
from kernelsearch.propose.base import Draft
from kernelsearch.propose.facts import tried
from kernelsearch.search import Run, search
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.strategy import open_strategy
from kernelsearch.workers.attempt import Bench, attempt
from kernelsearch.workers.base import Request
from kernelsearch.workers.consent import UNASKED, Answer, Desk, Question, Ruling
from kernelsearch.workers.judged import Judged
from kernelsearch.workers.local import LocalWorker

QUESTION = Question(candidate=candidate(1), parent=passed(0, None, 10.0))
YES, ALL, QUIT = Answer(ruling=Ruling.YES), Answer(ruling=Ruling.ALL), Answer(ruling=Ruling.QUIT)
NO = Answer(ruling=Ruling.NO, reason="too clever")


def until(true: Callable[[], object]) -> None:
    """Wait for another thread; a minute is for ever here."""
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


class Owner:
    """Gives answers in their order, and remembers what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked, self.at_once, self._busy = list(answers), [], 0, 0

    def __call__(self, question: Question) -> Answer:
        self._busy += 1
        self.at_once = max(self.at_once, self._busy)
        self.asked.append(question)
        time.sleep(0.005)
        self._busy -= 1
        return self.answers.pop(0)


def several(desk: Desk, number: int) -> tuple[list[threading.Thread], list[str | None]]:
    """That many attempts that ask at once, all of them waiting."""
    heard: list[str | None] = []
    threads = [threading.Thread(target=lambda: heard.append(desk.allowed(QUESTION)), daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    until(lambda: len(desk._queue) == number)
    return threads, heard


@pytest.mark.parametrize(
    ("answers", "heard"),
    [
        ([YES, NO, YES], [None, None, "the owner of this run refused it: too clever"]),
        ([NO, ALL], [None, None, "the owner of this run refused it: too clever"]),
        ([YES, QUIT], [None, UNASKED, UNASKED]),
        ([Answer(ruling=Ruling.NO), QUIT], [UNASKED, UNASKED, "the owner of this run refused it"]),
    ],
)
def test_questions_are_put_one_at_a_time_and_each_answer_reaches_its_attempt(answers, heard):
    owner, stop = Owner(*answers), threading.Event()
    desk = Desk(owner, stop)
    threads, got = several(desk, 3)
    desk.serve()
    for thread in threads:
        thread.join(60)
    assert sorted(got, key=str) == sorted(heard, key=str)
    assert owner.at_once == 1 and [question.waiting for question in owner.asked] == [2, 1, 0][: len(answers)]
    assert stop.is_set() == (QUIT in answers)
    if ALL in answers:
        assert desk.allowed(QUESTION) is None  # nobody is asked again
    if QUIT in answers:
        assert desk.allowed(QUESTION) == UNASKED


def test_a_run_that_is_stopped_asks_nobody():
    owner, stop = Owner(), threading.Event()
    desk = Desk(owner, stop)
    threads, got = several(desk, 2)
    stop.set()
    desk.serve()
    for thread in threads:
        thread.join(60)
    assert got == [UNASKED, UNASKED] and owner.asked == []


class Site:
    """Judges everything as passed, and counts."""

    hardware = None

    def __init__(self) -> None:
        self.judged = []

    def judge(self, work, known=None):
        self.judged.append(work)
        return passing(5.0, digest.candidate(work.candidate))


class Writer:
    """Drafts in their order, for nothing or for money."""

    name = "writer"

    def __init__(self, *sources: str, usage: Usage | None = None) -> None:
        self.sources, self.usage = list(sources), usage or Usage()

    def propose(self, proposal, context, task, hardware) -> Draft:
        return Draft(source=self.sources.pop(0), flags=(), origin=Origin(proposer=self.name, usage=self.usage))


@pytest.fixture
def served():
    """Makes an attempt while `desk` is served, as a run does."""

    def make(request: Request, bench: Bench) -> Attempt:
        made: list[Attempt] = []
        thread = threading.Thread(target=lambda: made.append(attempt(request, bench)), daemon=True)
        thread.start()
        while thread.is_alive():
            bench.desk.serve()
            time.sleep(0.002)
        return made[0]

    return make


REQUEST = Request(proposal=Proposal(ticket=0, parent=0, seed=1), context=Context(parent=passed(0, None, 10.0)))


def bench(owner: Owner, *sources: str, usage: Usage | None = None) -> Bench:
    return Bench(
        task=runs.task(), site=Site(), proposer=Writer(*sources, usage=usage), judged=Judged(), desk=Desk(owner, threading.Event())
    )


def test_what_is_refused_is_neither_built_nor_asked_about_again(served):
    owner = Owner(NO, YES)
    at = bench(owner, "int a;", "int a;", "int b;")
    refused = served(REQUEST, at)
    assert (refused.outcome, refused.detail) == (Outcome.DECLINED, "the owner of this run refused it: too clever")
    assert refused.candidate.source == "int a;" and at.site.judged == []
    again = served(REQUEST, at)  # the writer gives the same, which cost nothing, and then another
    assert again.outcome is Outcome.EVALUATED and again.candidate.source == "int b;"
    assert [question.candidate.source for question in owner.asked] == ["int a;", "int b;"]


def test_a_refusal_is_remembered_by_a_resumed_run(served):
    owner = Owner(NO)
    refused = served(REQUEST, bench(owner, "int a;", usage=Usage(calls=1)))
    worker = LocalWorker(
        task=runs.task(), site=Site(), proposer=Writer("int a;", usage=Usage(calls=1)), desk=Desk(Owner(), threading.Event())
    )
    worker.remember(replace(passed(1, REQUEST.proposal, 1.0), attempt=refused))
    again = worker.submit(REQUEST).result(60)
    assert again.outcome is Outcome.DUPLICATE and "refused the same kernel before" in again.detail


def test_the_owner_is_not_asked_about_his_own_kernel_or_another_trial(served):
    at = bench(Owner())
    assert served(replace(REQUEST, candidate=candidate(7)), at).outcome is Outcome.EVALUATED
    assert served(replace(REQUEST, proposal=Proposal(ticket=1, parent=0, seed=1, repeat=True)), at).outcome is Outcome.REPEATED


def test_the_model_is_told_that_the_owner_refused_and_why(served):
    refused = served(REQUEST, bench(Owner(NO), "int a;"))
    node = replace(passed(1, REQUEST.proposal, 1.0), attempt=refused, reward=None)
    (line,) = tried(Context(parent=passed(0, None, 10.0), siblings=(node,)))
    assert line.endswith("declined: the owner of this run refused it: too clever")


@pytest.mark.parametrize(("usage", "recorded"), [(Usage(), 0), (Usage(calls=1, usd=0.1), 1)])
def test_what_nobody_decided_is_recorded_only_where_it_was_paid_for(tmp_path, usage, recorded):
    stop = threading.Event()
    desk = Desk(Owner(QUIT), stop)
    proposer = Writer("int a;", usage=usage)
    worker = LocalWorker(task=runs.task(), site=Site(), proposer=proposer, desk=desk)
    rewards = RewardProfile(name="test", weights={"speedup": 1.0}, gates={})
    over = Run(
        budget=Budget(candidates=5), parallel=1, rewards=rewards, watch=lambda e: None, stop=stop, listen=desk.serve, hush=desk.close
    )
    journal = Journal(tmp_path / "journal.jsonl", Blobs(tmp_path / "blobs"))
    assert search(over, open_strategy("greedy", seed=0, options={}), worker, journal) == "stopped by the user"
    journal.close()
    assert [node.attempt.outcome for node in journal.nodes[1:]] == [Outcome.DECLINED] * recorded


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("y", YES),
        (" YES \n", YES),
        ("a", ALL),
        ("quit", QUIT),
        ("n", Answer(ruling=Ruling.NO)),
        ("n   too\x1b[2J  big ", Answer(ruling=Ruling.NO, reason="too�[2J big")),
        ("no: x", None),
        ("y and more", None),
        ("", None),
        ("maybe", None),
    ],
)
def test_answers_are_read_as_they_are_typed(line, answer):
    assert asking.read(line) == answer


def test_a_question_shows_all_there_is_to_judge_by_and_nothing_moves_the_cursor():
    before = replace(candidate(0), source="int a;\nint b;\n", flags=("-O3",))
    made = replace(before, source="int a;\nint \x1b[2Jc;\n", flags=("-O1",), origin=Origin(proposer="p", model="m\x07", summary="swap\nx"))
    node = passed(3, None, 1.0)
    parent = replace(node, attempt=replace(node.attempt, candidate=before))
    shown = asking.lines(Question(candidate=made, parent=parent, asked="swap-axes", waiting=2))
    text = "\n".join(line.plain for line in shown)
    assert "a candidate by m�, an edit of attempt 3; 2 more candidates waiting" in text
    assert "directive swap-axes" in text and "-O3 → -O1" in text and "-int b;" in text and "+int �[2Jc;" in text
    assert {line.plain[0]: line.style for line in shown if line.plain[:1] in "+-"} == {"-": "red", "+": "green"}


@pytest.fixture
def terminal():
    """Both ends of one: where a person types, and what reads it."""
    person, ours = os.openpty()
    yield person, ours
    os.close(person)
    os.close(ours)


@pytest.mark.parametrize(("typed", "answer"), [(b"what\nn not now\n", Answer(ruling=Ruling.NO, reason="not now")), (b"\x04", QUIT)])
def test_an_answer_is_read_from_the_terminal(terminal, typed, answer):
    person, ours = terminal
    screen, got = io.StringIO(), []
    asker = asking._Asker(PlainView(), threading.Event(), ours, screen)
    os.write(person, b"y\n")  # before the question was shown: not an answer to it
    thread = threading.Thread(target=lambda: got.append(asker(QUESTION)), daemon=True)
    thread.start()
    until(lambda: "build and run it?" in screen.getvalue())
    os.write(person, typed)
    thread.join(60)
    assert got == [answer]


def test_a_question_ends_when_the_run_is_told_to_stop(terminal):
    stop, screen, got = threading.Event(), io.StringIO(), []
    asker = asking._Asker(PlainView(), stop, terminal[1], screen)
    thread = threading.Thread(target=lambda: got.append(asker(QUESTION)), daemon=True)
    thread.start()
    until(lambda: "build and run it?" in screen.getvalue())
    stop.set()
    thread.join(60)
    assert got == [QUIT]


def test_the_footer_is_away_while_somebody_is_asked_and_takes_no_line_of_the_question_when_it_comes_back():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None, highlight=False)
    view = LiveView(console)
    with view:
        until(lambda: "judging the baseline" in console.file.getvalue())
        with view.aside():
            start = len(console.file.getvalue())
            console.print("the question")
        until(lambda: "judging the baseline" in console.file.getvalue()[start:])
    between = console.file.getvalue()[start:].partition("judging the baseline")[0]
    assert between.startswith("the question\n") and "\x1b[1A" not in between and "\x1b[2K" not in between


@pytest.mark.parametrize("command", [("optimize", "softmax.cu"), ("resume", "run")])
def test_without_a_terminal_nothing_begins(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "softmax.cu").write_text(runs.SOURCE)
    assert run(group, "kernelsearch", [*command, "--confirm", *(("--device", "emulated") if command[0] == "optimize" else ())]) == 2
    assert "--confirm asks on a terminal, and there is none" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_terminal_is_both_ends(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="terminal"):
        asking.check_terminal(as_json=True)
