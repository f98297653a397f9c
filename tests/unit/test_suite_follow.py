"""Following from outside: by the files as they grow, torn or whole, and by the beat of whoever writes them."""

import shutil
from contextlib import closing

import pytest
from suites import ATTEMPTS, Engine, Heard, header

import runs
from kernelsearch.errors import UsageError
from kernelsearch.search import STOPPED, Ended, NodeDone, Started, Warned
from kernelsearch.store import pulse
from kernelsearch.store.rundir import Header, RunFolder
from kernelsearch.suite import SuiteFolder
from kernelsearch.suite.board import BROKEN_OFF, DONE, RUNNING, WAITING, at
from kernelsearch.suite.follow import RunFollower, SuiteFollower


def new_run(path):
    head = Header(version="1", started="2026-11-24T00:00:00+00:00", spec=runs.SPEC, task=runs.task(), environment=runs.ENVIRONMENT)
    return RunFolder.create(path, head)


def kinds(events):
    return [type(event) for event in events]


def test_a_run_is_told_as_it_would_tell_itself(tmp_path):
    with closing(new_run(tmp_path / "r")) as run:
        follower = RunFollower(tmp_path / "r")
        assert kinds(follower.poll()) == [Started] and follower.poll() == []
        for number, attempt in enumerate(ATTEMPTS):
            run.journal.append(attempt, None, 3.0 * number)
            (event,) = follower.poll()
            assert (event.node.number, event.best, event.totals) == (number, run.journal.best, run.journal.totals)
        run.end("budget reached: 4 candidates")
    assert follower.poll() == [Ended(reason="budget reached: 4 candidates")] and follower.over
    assert follower.result("x").best.number == 4


def test_a_line_waits_until_it_is_whole_and_its_texts_are_there(tmp_path):
    with closing(new_run(tmp_path / "there")) as run:
        for attempt in ATTEMPTS:
            run.journal.append(attempt, None, 0.0)
    shutil.copytree(tmp_path / "there", tmp_path / "here")
    data = (tmp_path / "there/journal.jsonl").read_bytes()
    blobs = tmp_path / "here/blobs"
    blobs.rename(tmp_path / "late")
    (tmp_path / "here/journal.jsonl").write_bytes(b"")
    follower, seen = RunFollower(tmp_path / "here"), []
    for end in range(0, len(data) + 1, 97):
        (tmp_path / "here/journal.jsonl").write_bytes(data[:end])
        seen += follower.poll()
    assert kinds(seen) == [Started]
    (tmp_path / "late").rename(blobs)
    (tmp_path / "here/journal.jsonl").write_bytes(data)
    assert [event.node.number for event in follower.poll()] == list(range(len(ATTEMPTS)))


def test_the_best_of_each_moment_is_told_to_one_who_comes_late(tmp_path):
    runs.write(tmp_path / "r")
    events = [event for event in RunFollower(tmp_path / "r").poll() if isinstance(event, NodeDone)]
    assert [event.best.number for event in events] == [0, 1, 1, 1, 4, 4, 4, 4]


def test_a_folder_that_falls_silent_is_told_once_and_life_is_heard_again(tmp_path):
    runs.write(tmp_path / "r")
    now = [0.0]
    follower = RunFollower(tmp_path / "r")
    follower._listener.clock = lambda: now[0]
    follower.poll()
    now[0] += 2 * pulse.SILENT_S
    (warned,) = follower.poll()
    assert isinstance(warned, Warned) and "no sign of life" in warned.text
    assert follower.poll() == []
    pulse.begin(tmp_path / "r").stop()
    assert follower.poll() == []
    now[0] += 2 * pulse.SILENT_S
    assert kinds(follower.poll()) == [Warned]


def test_who_goes_on_takes_back_that_it_ended(tmp_path):
    with closing(new_run(tmp_path / "r")) as run:
        run.end("failed", failed=True)
    assert pulse.ended(tmp_path / "r") == pulse.End(reason="failed", failed=True)
    with closing(RunFolder.open_for_writing(tmp_path / "r")):
        assert pulse.ended(tmp_path / "r") is None
    (tmp_path / "r/ended.json").write_text('{"reas')  # as a slow copy shows it
    assert pulse.ended(tmp_path / "r") is None


def test_a_suite_is_seen_search_by_search(tmp_path, monkeypatch):
    engine, heard, seen = Engine(monkeypatch), Heard(), []
    with closing(SuiteFolder.create(tmp_path / "s", header("a", "b", "c"))) as home:
        follower = SuiteFollower(tmp_path / "s")

        def before(of, number, stop):
            follower.poll()
            seen.append([cell.state for cell in follower.board.cells.values()])
            if of.name == "b" and number == 3:
                (running,) = follower.board.running()
                assert (at(running), running.best_us) == ("2 of 7 tried; last: #2 register accumulator, passed", pytest.approx(141.0))
                heard.stop.set()
                stop.wait(30)

        engine.before = before
        heard.run(home)
        home.end(STOPPED, failed=True)
    assert seen[0] == [WAITING] * 3 and seen[2][0] == RUNNING
    follower.poll()
    assert [cell.state for cell in follower.board.cells.values()] == [DONE, BROKEN_OFF, WAITING]
    assert follower.ended == STOPPED and not follower.silent


def test_what_holds_neither_is_refused(tmp_path):
    with pytest.raises(UsageError, match="not a run folder"):
        RunFollower(tmp_path)
    with pytest.raises(UsageError, match="not the folder of a suite"):
        SuiteFollower(tmp_path)
