"""Hints of a run's owner: a file that anybody appends to, on the way into proposals and prompts."""

import json
import multiprocessing
from pathlib import Path

import pytest

import runs
from kernelsearch import codec
from kernelsearch.errors import UsageError
from kernelsearch.model import Attempt, Context, Outcome, Proposal
from kernelsearch.store.hints import AT_ONCE, HINTS, LONGEST, Hints
from kernelsearch.store.rundir import RunFolder
from kernelsearch.workers.guidance import Guidance, copy_hints


def guidance(folder: Path, proposer: str = "mailbox:letters") -> tuple[Guidance, list[str], list[str]]:
    notes, warnings = [], []
    return Guidance(folder, proposer, note=notes.append, warn=warnings.append), notes, warnings


def proposal(ticket: int, **changes) -> Proposal:
    return Proposal(ticket=ticket, parent=0, seed=0, **changes)


CONTEXT = Context(parent=runs.nodes()[0])


def test_a_hint_is_one_line_with_a_number_and_can_be_withdrawn_once(tmp_path):
    hints = Hints(tmp_path)
    first, second = hints.give("use  float4\n# and more"), hints.give("mind the tail")
    assert (first.number, first.text, second.number) == (1, "use float4 # and more", 2)
    assert hints.drop(1).dropped
    assert hints.in_force == (2,) and hints.texts((1, 2, 3)) == ("use float4 # and more", "mind the tail")
    lines = (tmp_path / HINTS).read_text().splitlines()
    assert [json.loads(line)["drop"] for line in lines] == [None, None, 1]
    with pytest.raises(UsageError, match="withdrawn before"):
        hints.drop(1)
    with pytest.raises(UsageError, match="no hint 3"):
        Hints(tmp_path).drop(3)


@pytest.mark.parametrize(("text", "said"), [(" \n", "empty"), ("x" * (LONGEST + 1), "shorter"), ("a\udc80b", "UTF-8")])
def test_what_is_no_hint_is_refused_and_leaves_nothing(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        Hints(tmp_path).give(text)
    assert not (tmp_path / HINTS).exists()


def test_keys_are_taken_out(tmp_path):
    assert "abcdefghijklmnop" not in Hints(tmp_path).give("my key is sk-ant-REDACTED").text


def test_the_newest_are_told(tmp_path):
    hints = Hints(tmp_path)
    for number in range(AT_ONCE + 3):
        hints.give(f"idea {number}")
    assert hints.in_force == tuple(range(4, AT_ONCE + 4))


def test_damaged_lines_are_passed_over_with_a_warning_and_a_torn_end_is_waited_for(tmp_path):
    writer, reader = Hints(tmp_path), Hints(tmp_path)
    writer.give("one")
    with (tmp_path / HINTS).open("ab") as file:
        file.write(b'\xff\xfe\n{"at": "now"}\n[]\n{"at": "now", "drop": 9}\n{"at": "now", "text": "tor')
    news = reader.look()
    assert [hint.text for hint in news.said] == ["one"]
    assert [warning.partition(": ")[0].rpartition("line ")[2] for warning in news.warnings] == ["2", "3", "4", "5"]
    assert reader.look().said == [] == reader.look().warnings
    assert Hints(tmp_path).give("two").number == 2  # behind the torn line, which now has an end
    news = reader.look()
    assert [hint.text for hint in news.said] == ["two"] and len(news.warnings) == 1


def test_a_file_that_cannot_be_read_is_told_of_once_and_stops_nobody(tmp_path):
    (tmp_path / HINTS).mkdir()
    hints = Hints(tmp_path)
    assert [len(hints.look().warnings) for _ in range(3)] == [1, 0, 0]
    with pytest.raises(UsageError, match="cannot write"):
        Hints(tmp_path).give("one")


def give_many(folder: Path, name: str) -> None:
    for number in range(20):
        Hints(folder).give(f"{name} {number}")


def test_several_processes_append_at_once_and_no_line_is_lost(tmp_path):
    reader, seen = Hints(tmp_path), []
    givers = [multiprocessing.get_context("fork").Process(target=give_many, args=(tmp_path, name)) for name in "abc"]
    for giver in givers:
        giver.start()
    while any(giver.is_alive() for giver in givers):
        seen += [hint.text for hint in reader.look().said]
    news = reader.look()
    seen += [hint.text for hint in news.said]
    assert sorted(seen) == sorted(f"{name} {number}" for name in "abc" for number in range(20)) and news.warnings == []
    assert [hint.number for hint in reader.all] == list(range(1, 61)) and reader.all == (again := Hints(tmp_path), again.look())[0].all


def test_a_proposal_names_the_hints_that_its_context_holds(tmp_path):
    guide, notes, _ = guidance(tmp_path)
    asked, context = guide.guide(proposal(0), CONTEXT)
    assert (asked.hints, context.hints) == ((), ())
    Hints(tmp_path).give("first")
    Hints(tmp_path).give("second")
    asked, context = guide.guide(proposal(1), CONTEXT)
    assert (asked.hints, context.hints) == ((1, 2), ("first", "second"))
    Hints(tmp_path).drop(1)
    asked, context = guide.guide(proposal(2), CONTEXT)
    assert (asked.hints, context.hints) == ((2,), ("second",))
    assert guide.guide(proposal(3, repeat=True), CONTEXT) == (proposal(3, repeat=True), CONTEXT)
    assert notes[0].endswith("next prompts: first") and notes[-1] == "hint 1 was withdrawn"


def test_the_rules_are_told_nothing_and_that_is_said(tmp_path):
    Hints(tmp_path).give("first")
    guide, notes, warnings = guidance(tmp_path, "rules")
    guide.look()
    assert guide.guide(proposal(0), CONTEXT) == (proposal(0), CONTEXT)
    assert notes == [] and "rules read no prompt" in warnings[0]


def test_a_replayed_run_tells_each_ticket_what_it_was_told_then(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    runs.write(old)
    Hints(old).give("first")
    Hints(old).give("second")
    home = RunFolder.open_for_writing(old)
    for ticket, hints in ((7, (1,)), (8, (1, 2)), (9, (2,))):
        home.journal.append(Attempt(proposal=proposal(ticket, hints=hints), outcome=Outcome.UNUSABLE), None, 30.0)
    home.close()
    Hints(old).drop(2)
    new.mkdir()
    copy_hints(f"replay:{old}", new)
    guide, _, _ = guidance(new, f"replay:{old}")
    told = {ticket: guide.guide(proposal(ticket), CONTEXT)[1].hints for ticket in (0, 7, 8, 9, 40)}
    assert told == {0: (), 7: ("first",), 8: ("first", "second"), 9: ("second",), 40: ("first",)}


def test_a_proposal_of_an_older_journal_has_no_hints():
    read = codec.load_json(Proposal, '{"ticket": 1, "parent": 0, "seed": 2}')
    assert (read.hints, read.by_hand) == ((), "")
