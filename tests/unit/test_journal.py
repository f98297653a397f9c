"""The journal: what is appended is read back whole, and damage is named and survived."""

import resource

import pytest
from nodes import ENVIRONMENT, passing

from kernelsearch.errors import JournalDamaged, UsageError
from kernelsearch.model import (
    Arg,
    ArgKind,
    Attempt,
    Candidate,
    Case,
    DType,
    Expression,
    Form,
    Origin,
    Outcome,
    Proposal,
    Reward,
    RunSpec,
    Task,
    Usage,
)
from kernelsearch.store.blobs import Blobs
from kernelsearch.store.journal import Journal
from kernelsearch.store.rundir import Header, RunFolder


def attempt(parent: int | None, ticket: int, time_us: float = 10.0, *, against: str = "", **fields) -> Attempt:
    source = f"// candidate {ticket}\n" * 20
    proposal = None if parent is None else Proposal(ticket=ticket, parent=parent, seed=ticket)
    values = {
        "proposal": proposal,
        "outcome": Outcome.EVALUATED,
        "candidate": Candidate(task="t", source=source, origin=Origin(proposer="test", prompt="p" * 500)),
        "evaluation": passing(time_us, str(ticket), against=against),
        "usage": Usage(input_tokens=3, usd=0.25, calls=1),
    }
    return Attempt(**{**values, **fields})


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", Blobs(tmp_path / "blobs"))
    for number, (parent, time_us, against) in enumerate([(None, 10.0, ""), (0, 8.0, "0"), (0, 12.0, ""), (1, 4.0, "1")]):
        journal.append(attempt(parent, number, time_us, against=against), Reward(value=float(number)), at_seconds=number * 1.5)
    yield journal
    journal.close()


def reopened(journal: Journal) -> Journal:
    return Journal(journal.path, Blobs(journal.path.parent / "blobs"))


def test_nodes_are_read_back_equal(journal):
    again = reopened(journal)
    assert again.nodes == journal.nodes
    assert again.totals == journal.totals
    assert again.damage is None


def test_totals_and_best_follow_from_the_nodes(journal):
    assert journal.totals.candidates == 3  # the baseline is not one
    assert journal.totals.usage.usd == pytest.approx(1.0)
    assert journal.totals.seconds == 4.5
    assert journal.best is journal.nodes[3]


def test_exhausted_attempts_are_recorded_but_not_counted(journal):
    node = journal.append(attempt(0, 9, outcome=Outcome.EXHAUSTED, candidate=None, evaluation=None), None, 9.0)
    assert journal.nodes[-1] is node
    assert journal.totals.candidates == 3


def test_context_holds_lineage_and_siblings(journal):
    context = journal.context(Proposal(ticket=9, parent=3, seed=0))
    assert [n.number for n in context.lineage] == [1, 0]
    assert journal.context(Proposal(ticket=9, parent=0, seed=0)).siblings == (journal.nodes[1], journal.nodes[2])


def test_long_texts_are_stored_once_as_blobs(journal):
    assert b"candidate 1\\n// candidate 1" not in journal.path.read_bytes()
    prompts = {n.candidate.origin.prompt for n in reopened(journal).nodes}
    assert prompts == {"p" * 500}


def test_a_torn_last_line_is_named_and_the_rest_kept(journal):
    data = journal.path.read_bytes()
    journal.path.write_bytes(data[:-30])
    torn = reopened(journal)
    assert len(torn.nodes) == 3
    assert "line 4" in str(torn.damage) and "torn" in str(torn.damage)


def test_a_changed_line_is_found_wherever_it_is(journal):
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"number":1', b'"number":7')
    journal.path.write_bytes(b"".join(lines))
    damaged = reopened(journal)
    assert len(damaged.nodes) == 1
    assert isinstance(damaged.damage, JournalDamaged) and damaged.damage.line == 2


def test_appending_to_a_damaged_journal_needs_repair_first(journal):
    data = journal.path.read_bytes()
    journal.path.write_bytes(data + b"half a li")
    damaged = reopened(journal)
    with pytest.raises(JournalDamaged):
        damaged.append(attempt(0, 9), None, 0.0)
    aside = damaged.repair()
    assert aside is not None and aside.read_bytes() == b"half a li"
    damaged.append(attempt(0, 9), None, 0.0)
    damaged.close()
    assert len(reopened(journal).nodes) == 5


def test_a_refusing_disk_is_a_sentence_and_loses_nothing(journal):
    before = journal.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))  # takes ten bytes of the line and no more
    try:
        with pytest.raises(UsageError, match="File too large.*resume"):
            journal.append(attempt(0, 9), None, 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert journal.path.read_bytes() == before
    assert len(journal.nodes) == 4
    journal.append(attempt(0, 9), None, 0.0)
    journal.close()
    assert len(reopened(journal).nodes) == 5


def test_blobs_can_be_read_by_whoever_may_read_the_journal(journal):
    blob = next(p for p in (journal.path.parent / "blobs").rglob("*") if p.is_file())
    assert blob.stat().st_mode == journal.path.stat().st_mode


def test_a_changed_blob_is_refused(journal):
    blob = next(p for p in (journal.path.parent / "blobs").rglob("*") if p.is_file())
    blob.write_bytes(b"something else")
    assert reopened(journal).damage is not None


def header() -> Header:
    task = Task(
        name="t",
        form=Form.LAUNCHER,
        entry="solve",
        args=(Arg(name="x", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=(Expression("4"),)),),
        cases=(Case(name="c0", sizes={}, timed=True),),
        baseline="",
    )
    return Header(
        version="0", started="2026-01-01T00:00:00+00:00", spec=RunSpec(task="d", task_name="t"), task=task, environment=ENVIRONMENT
    )


def test_run_folder_is_created_once_and_read_back(tmp_path):
    home = RunFolder.create(tmp_path / "run", header())
    home.journal.append(attempt(None, 0), None, 0.0)
    assert RunFolder.open(tmp_path / "run").header == header()  # reading beside a writer
    with pytest.raises(UsageError, match="another process is writing"):
        RunFolder.open_for_writing(tmp_path / "run")
    home.close()
    again = RunFolder.open_for_writing(tmp_path / "run")
    assert len(again.nodes) == 1
    again.close()
    with pytest.raises(UsageError, match="is there already"):
        RunFolder.create(tmp_path / "run", header())


def test_what_is_not_a_run_folder_is_said(tmp_path):
    with pytest.raises(UsageError, match="no run.json"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "x"}')
    with pytest.raises(UsageError, match="run.json: .*format"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_bytes(b"\xff\x00")
    with pytest.raises(UsageError, match="run.json is not what was written"):
        RunFolder.open(tmp_path)
