"""What a suite is made of, and its folder: order, filters, shards, names, torn lines, a second writer."""

from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from suite_rows import row
from suites import header

import runs
from kernelsearch.errors import UsageError
from kernelsearch.suite import Entry, Problem, Setting, SuiteFolder
from kernelsearch.suite import plan as plans


def entries(*names):
    return tuple(Entry(ref=name, suite="core", name=name, digest=name) for name in names)


SETTINGS = tuple(Setting(name=name, spec=runs.SPEC) for name in ("mcts/none", "mcts-none"))


def test_jobs_come_seed_by_seed_in_folders_of_their_own():
    jobs = plans.jobs(entries("a", "b"), (0, 1), SETTINGS)
    assert [job.key[1:3] for job in jobs[:4]] == [("a", 0), ("a", 0), ("b", 0), ("b", 0)]
    assert len({job.key for job in jobs}) == len({job.folder for job in jobs}) == 8
    assert jobs[0].folder == "core-a-s0-mcts-none" and jobs[1].folder == "core-a-s0-mcts-none-2"
    assert jobs == plans.jobs(entries("a", "b"), (0, 1), SETTINGS)
    (plain,) = plans.jobs(entries("a"), (0,), (Setting(spec=runs.SPEC),))
    assert (plain.folder, plain.label) == ("core-a", "core/a")
    assert plain.spec("cuda:1").device == "cuda:1" and plain.spec("").device == runs.SPEC.device


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12))
def test_shards_share_the_tasks_out(tasks, of):
    every = entries(*(f"t{i:02}" for i in range(tasks)))
    parts = [plans.shard(every, number, of) for number in range(1, of + 1) if number <= tasks]
    assert sorted(entry.name for part in parts for entry in part) == [entry.name for entry in every]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_an_empty_shard_and_filters_that_leave_nothing_are_told():
    with pytest.raises(UsageError, match="shard 3 of 3 has no task"):
        plans.shard(entries("a", "b"), 3, 3)
    with pytest.raises(UsageError, match="they are called core/a, core/b$"):
        plans.chosen(entries("a", "b"), ("zz*",), ())
    with pytest.raises(UsageError, match="leave no task"):
        plans.chosen(entries("a"), (), ("*",))
    assert [e.name for e in plans.chosen(entries("soft", "softer", "hard"), ("soft*", "core/h*"), ("softer",))] == ["soft", "hard"]


def test_a_broken_task_that_was_filtered_out_is_none_of_our_business():
    problems = (Problem(ref="x/soft", why="?", name="soft"), Problem(ref="y", why="?"))
    assert plans.concerned(problems, ("hard",), ()) == problems[1:]
    assert plans.concerned(problems, (), ("soft",)) == problems[1:]
    assert plans.concerned(problems, ("s*",), ()) == problems


def test_of_two_tasks_with_one_name_the_second_is_named_and_not_run():
    first, second = Entry(ref="x", suite="core", name="a", digest="1"), Entry(ref="y", suite="core", name="a", digest="2")
    kept, problems = plans.distinct([first, first, second, *entries("b")])
    assert [entry.ref for entry in kept] == ["x", "b"]
    assert [problem.ref for problem in problems] == ["y"] and "the first is x" in problems[0].why


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2000))
def test_a_torn_line_is_not_there_and_what_comes_after_is_whole(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("suite") / "s"
    rows = [row(name, suite="user") for name in "ab"]
    with closing(SuiteFolder.create(path, header("a", "b"))) as home:
        for one in rows:
            home.append(one)
    file = path / "suite.jsonl"
    data = file.read_bytes()
    file.write_bytes(data[: min(cut, len(data))])
    whole = data[: min(cut, len(data))].count(b"\n")
    reader = SuiteFolder.open(path)
    assert reader.rows == tuple(rows[:whole])
    with closing(SuiteFolder.open_for_writing(path)) as home:
        for one in rows[whole:]:
            home.append(one)
        assert home.rows == tuple(rows)
    assert file.read_bytes() == data
    reader.catch_up()
    assert reader.rows == tuple(rows)


def test_a_damaged_line_costs_only_itself(tmp_path):
    with closing(SuiteFolder.create(tmp_path / "s", header("a", "b"))) as home:
        home.append(row("a", suite="user"))
        (tmp_path / "s/suite.jsonl").write_bytes(b"{what?}\n" + (tmp_path / "s/suite.jsonl").read_bytes())
    read = SuiteFolder.open(tmp_path / "s")
    assert (len(read.rows), read.damaged, [job.entry.name for job in read.todo]) == (1, 1, ["b"])


def test_a_second_writer_and_a_folder_that_is_taken_are_refused(tmp_path):
    with closing(SuiteFolder.create(tmp_path / "s", header("a"))):
        with pytest.raises(UsageError, match="kernelsearch watch"):
            SuiteFolder.open_for_writing(tmp_path / "s")
        with pytest.raises(UsageError, match="bench --resume"):
            SuiteFolder.create(tmp_path / "s", header("a"))
    with pytest.raises(UsageError, match="not the folder of a suite"):
        SuiteFolder.open(tmp_path)
    (tmp_path / "s/suite.json").write_text("{}")
    with pytest.raises(UsageError, match="start a new suite"):
        SuiteFolder.open(tmp_path / "s")


def test_a_row_that_the_disk_refuses_leaves_what_was_there(tmp_path, monkeypatch):
    with closing(SuiteFolder.create(tmp_path / "s", header("a", "b"))) as home:
        home.append(row("a", suite="user"))
        before = (tmp_path / "s/suite.jsonl").read_bytes()
        monkeypatch.setattr("os.fsync", _full)
        with pytest.raises(UsageError, match="nothing is searched twice"):
            home.append(row("b", suite="user"))
    assert (tmp_path / "s/suite.jsonl").read_bytes() == before and len(home.rows) == 1


def _full(handle):
    raise OSError(28, "No space left on device", str(Path("suite.jsonl")))
