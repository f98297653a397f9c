"""Suites as they run: every job once whatever is killed when, failures as rows, time limits, lost devices."""

import shutil
from contextlib import closing

import pytest
from suites import ATTEMPTS, ENDED, Engine, Heard, header, task

from kernelsearch.errors import BaselineFailed, DeviceLost, LlmBusy, ToolMissing, UsageError
from kernelsearch.search import STOPPED
from kernelsearch.store import pulse
from kernelsearch.suite import SuiteFolder
from kernelsearch.suite.rows import Beside
from kernelsearch.suite.runner import DONE


@pytest.fixture
def engine(monkeypatch):
    return Engine(monkeypatch)


def created(path, *names, **more):
    return closing(SuiteFolder.create(path, header(*names, **more)))


def test_every_task_has_a_row_and_is_told(tmp_path, engine):
    heard = Heard()
    with created(tmp_path / "s", "a", "b", seeds=(0, 3)) as home:
        assert heard.run(home) == DONE
        rows = home.rows
    assert [(row.task, row.seed) for row in rows] == [("a", 0), ("b", 0), ("a", 3), ("b", 3)]
    assert heard.rows == list(rows) == list(SuiteFolder.open(tmp_path / "s").rows)
    first = rows[0]
    assert (first.speedup, first.candidates, first.passed, first.ended) == (pytest.approx(412.3 / 96.4), 4, 3, ENDED)
    assert [(n, round(us, 1)) for n, us in first.curve] == [
        (0, 412.3),
        (1, 141.0),
        (4, 96.4),
    ] and first.steps == "swap thread axes > vector loads, fix"
    assert first.verdicts == {"passed": 3, "wrong": 1} and first.digest and first.device == "emulated H100"
    assert first.gpu_seconds == pytest.approx(4 * 1.4)


def writes(path):
    """What a finished suite wrote, in order: (file, bytes, whether it grows); a file that does not grow is put whole."""
    log = [(path / "suite.json", (path / "suite.json").read_bytes(), False)]
    for name, row in zip(("a", "b"), (path / "suite.jsonl").read_bytes().splitlines(keepends=True), strict=True):
        folder = path / f"user-{name}"
        log.append((folder / "run.json", (folder / "run.json").read_bytes(), False))
        log += [(folder / "journal.jsonl", line, True) for line in (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)]
        log += [(folder / "ended.json", (folder / "ended.json").read_bytes(), False), (path / "suite.jsonl", row, True)]
    return log


def killed(log, whole, cut):
    """The folder as a kill leaves it after `whole` writes and `cut` bytes of the next."""
    for file, data, grows in [*log[:whole], *([(log[whole][0], log[whole][1][:cut], True)] if cut and log[whole][2] else [])]:
        file.parent.mkdir(exist_ok=True)
        with file.open("ab" if grows else "wb") as out:
            out.write(data)


def test_after_a_kill_at_any_point_nothing_is_done_twice_and_the_rows_are_the_same(tmp_path, engine):
    path = tmp_path / "s"
    with created(path, "a", "b") as home:
        Heard().run(home)
        right = home.rows
    log = writes(path)
    points = [(whole, cut) for whole in range(1, len(log) + 1) for cut in (0, *((len(log[whole][1]) // 2,) if whole < len(log) else ()))]
    blobs = {name: path / f"user-{name}" / "blobs" for name in "ab"}
    for name, folder in blobs.items():
        folder.rename(tmp_path / f"blobs-{name}")
    for whole, cut in points:
        shutil.rmtree(path)
        killed(log, whole, cut)
        for name in "ab":
            if (path / f"user-{name}").is_dir():
                (path / f"user-{name}" / "blobs").symlink_to(tmp_path / f"blobs-{name}")
        recorded = {(name, n) for name in "ab" for n in range(_lines(path / f"user-{name}" / "journal.jsonl"))}
        over = {name for name in "ab" if (path / f"user-{name}" / "ended.json").exists()}
        engine.made.clear(), engine.begun.clear(), engine.resumed.clear()
        with closing(SuiteFolder.open_for_writing(path)) as home:
            assert Heard().run(home) == DONE, (whole, cut)
            assert home.rows == right, (whole, cut)
        assert set(engine.made) == {(name, n) for name in "ab" for n in range(len(ATTEMPTS))} - recorded, (whole, cut)
        assert set(engine.made.values()) <= {1}
        assert not over & {*engine.begun, *engine.resumed}, (whole, cut)


def _lines(file):
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_a_folder_without_a_header_is_put_aside(tmp_path, engine):
    with created(tmp_path / "s", "a") as home:
        (tmp_path / "s/user-a").mkdir()
        (tmp_path / "s/user-a/.lock").touch()
        assert Heard().run(home) == DONE
    assert (tmp_path / "s/user-a.broken/.lock").exists()


def raising(error, of="a"):
    def before(task, number, stop):
        if task.name == of:
            raise error

    return before


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (BaselineFailed("it does not build"), "it does not build"),
        (UsageError("task 'a' cannot tell right from wrong"), "cannot tell right from wrong"),
        (MemoryError(), "does not fit in this machine's memory"),
    ],
)
def test_what_is_the_tasks_own_fault_is_a_row_and_the_rest_goes_on(tmp_path, engine, error, why):
    engine.before = raising(error)
    with created(tmp_path / "s", "a", "b") as home:
        assert Heard().run(home) == DONE
        assert why in home.rows[0].failure and not home.rows[1].failure


def test_what_may_be_the_machines_fault_leaves_no_row_and_can_be_resumed(tmp_path, engine):
    engine.before = raising(LlmBusy("overloaded"))
    heard = Heard()
    with created(tmp_path / "s", "a", "b") as home:
        assert heard.run(home) == "1 searches could not be made"
        assert heard.missed == [("a", "overloaded")] and [row.task for row in home.rows] == ["b"]
        engine.before = lambda task, number, stop: None
        assert Heard().run(home) == DONE
    assert engine.begun == ["a", "b", "a"]


def test_what_the_machine_lacks_ends_the_suite_at_once_only_at_the_first(tmp_path, engine):
    engine.before = raising(ToolMissing("no nvcc"))
    with created(tmp_path / "s", "a", "b") as home, pytest.raises(ToolMissing):
        Heard().run(home)
    engine.before, heard = raising(ToolMissing("no torch"), of="b"), Heard()
    with created(tmp_path / "t", "a", "b", "c") as home:
        heard.run(home)
    assert heard.missed == [("b", "no torch")] and [row.task for row in heard.rows] == ["a", "c"]


def test_a_bug_of_ours_is_not_hidden(tmp_path, engine):
    engine.before = raising(ZeroDivisionError())
    with created(tmp_path / "s", "a") as home, pytest.raises(ZeroDivisionError):
        Heard().run(home)


def test_a_stop_ends_what_runs_and_begins_nothing(tmp_path, engine):
    heard = Heard()

    def before(task, number, stop):
        if number == 2:
            heard.stop.set()
            stop.wait(30)

    engine.before = before
    with created(tmp_path / "s", "a", "b") as home:
        assert heard.run(home) == STOPPED
        assert heard.missed == [("a", STOPPED)] and engine.begun == ["a"]
    engine.before = lambda task, number, stop: None
    with closing(SuiteFolder.open_for_writing(tmp_path / "s")) as home:
        assert Heard().run(home) == DONE
    assert engine.resumed == ["a"] and set(engine.made.values()) == {1}


def slowly(task, number, stop):
    if number == 2:
        stop.wait(30)


def test_a_search_whose_time_is_up_is_ended_gently_and_marked(tmp_path, engine):
    engine.before = slowly
    with created(tmp_path / "s", "a", task_minutes=0.002) as home:
        assert Heard().run(home) == DONE
        (row,) = home.rows
    assert row.censored and row.ended == "time limit of the task reached: 0.002 minutes" and row.candidates == 1
    assert engine.made.total() == 2


def test_time_that_an_earlier_session_took_counts(tmp_path, engine):
    with created(tmp_path / "s", "a") as home:
        Heard().run(home)
    (tmp_path / "s/suite.jsonl").unlink()
    pulse.end(tmp_path / "s/user-a", STOPPED)
    limited = header("a", task_minutes=0.1)  # six seconds, of which the journal has twelve
    engine.begun.clear()
    home = SuiteFolder(tmp_path / "s", limited, None)
    assert Heard().run(home) == DONE
    assert home.rows[0].censored and not engine.begun and not engine.resumed


class Gpus:
    """Places with names, of which some can be lost."""

    def __init__(self, *names):
        self.free, self.all = list(names), list(names)

    def acquire(self, job):
        return self.free.pop(0) if self.free else None

    def release(self, device, *, lost):
        self.all.remove(device) if lost else self.free.append(device)

    @property
    def left(self):
        return len(self.all)


def test_a_device_that_is_lost_gets_nothing_more_and_its_task_is_tried_elsewhere(tmp_path, engine):
    lost = iter([DeviceLost("it fell off the bus")])

    def before(task, number, stop):
        if task.name == "b" and (error := next(lost, None)):
            raise error

    engine.before, heard = before, Heard()
    with created(tmp_path / "s", "a", "b", "c", "d") as home:
        assert heard.run(home, places=Gpus("cuda:0", "cuda:1")) == DONE
        assert not any(row.failure for row in home.rows)
    places = [place for key, place in heard.began]
    assert places.count("cuda:1") == 1 and heard.missed[0][0] == "b"


def test_a_run_is_gone_on_with_on_the_device_that_it_is_given(tmp_path, engine):
    engine.before = lambda task, number, stop: (_ for _ in ()).throw(DeviceLost("gone")) if (number, engine.resumed) == (2, []) else None
    with created(tmp_path / "s", "a") as home:
        assert Heard().run(home, places=Gpus("cuda:0", "cuda:1")) == DONE
    assert engine.devices == ["cuda:1"] and set(engine.made.values()) == {1}


def test_without_a_device_the_suite_ends_and_says_what_is_missing(tmp_path, engine):
    engine.before, heard = raising(DeviceLost("gone")), Heard()
    with created(tmp_path / "s", "a", "b") as home:
        assert heard.run(home) == "no device is left for 2 searches"
        assert not home.rows


def test_a_task_that_loses_devices_is_not_given_all_of_them(tmp_path, engine):
    engine.before, heard = raising(DeviceLost("gone")), Heard()
    with created(tmp_path / "s", "a", "b") as home:
        assert heard.run(home, places=Gpus("cuda:0", "cuda:1", "cuda:2")) == DONE
        assert "lost 2 times" in home.rows[0].failure and not home.rows[1].failure


def test_a_task_that_was_edited_is_not_searched(tmp_path, engine):
    heard = Heard()
    with created(tmp_path / "s", "a") as home:
        heard.run(home, load=lambda entry: task("edited"))
    assert not engine.begun and "not the task any more" in heard.missed[0][1]


def test_libraries_are_timed_once_for_a_task_and_stand_in_every_row(tmp_path, engine):
    asked = []

    def yardsticks(task, spec):
        asked.append((task.name, spec.device))
        return Beside(yardsticks=(("cupy", 5.0),), remarks=("torch has no time",))

    with created(tmp_path / "s", "a", seeds=(0, 1)) as home:
        Heard().run(home, yardsticks=yardsticks)
        assert [dict(row.yardsticks) for row in home.rows] == [{"cupy": 5.0}] * 2 and home.rows[0].remarks == ("torch has no time",)
    assert asked == [("a", "emulated")]


def test_a_full_disk_ends_the_suite_with_a_remedy(tmp_path, engine, monkeypatch):
    def refuse(self, row):
        raise UsageError("cannot write suite.jsonl: No space left on device")

    monkeypatch.setattr(SuiteFolder, "append", refuse)
    with created(tmp_path / "s", "a", "b") as home, pytest.raises(UsageError, match="No space left"):
        Heard().run(home)
    assert engine.begun == ["a"]
