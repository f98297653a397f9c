"""`bench`, `compare` and `watch` as a person uses them, with searches that are played; the real engine is in `test_cli_whole`."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from suites import Engine, header

import runs
from kernelsearch import cli
from kernelsearch.cli import settings
from kernelsearch.cli.live_batch import screen
from kernelsearch.cli.options import SearchOptions
from kernelsearch.errors import BaselineFailed, UsageError
from kernelsearch.store import pulse
from kernelsearch.suite import SuiteFolder
from kernelsearch.suite.board import Board

TASK = """
name = "{name}"
source = "{name}.cu"
form = "launcher"
entry = "solve"
args = [
  {{ name = "x", kind = "input", dtype = "f32", shape = ["rows", "cols"] }},
  {{ name = "y", kind = "output", dtype = "f32", shape = ["rows", "cols"] }},
  {{ name = "rows", kind = "size", dtype = "i32" }},
  {{ name = "cols", kind = "size", dtype = "i32" }},
]
cases = [{{ name = "c", sizes = {{ rows = 8, cols = 8 }}, timed = true }}]
"""


def kernelsearch(*args: object) -> int:
    return cli.run(cli.group, "kernelsearch", [str(arg) for arg in args])


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A folder of two tasks and a broken one, and an engine that plays."""
    monkeypatch.chdir(tmp_path)
    folder = Path("mine")
    folder.mkdir()
    for name in ("soft", "hard"):
        (folder / f"{name}.cu").write_text(runs.SOURCE)
        (folder / f"{name}.task.toml").write_text(TASK.format(name=name))
    (folder / "torn.task.toml").write_text("name = [")
    return Engine(monkeypatch)


def bench(*args):
    return kernelsearch("bench", "mine", "--device", "emulated", *args)


def test_what_cannot_be_read_is_named_and_the_rest_is_run(suite, capsys):
    assert bench("--out", "s") == 1
    out = capsys.readouterr()
    assert out.err.startswith("not run: ") and "torn.task.toml: not valid TOML" in out.err
    assert re.search(r"user/hard +412.3 +96.40 +4.28x", out.out) and "geometric mean  4.28x" in out.out
    assert "2 of 2 searches done; all searches are done" in out.out
    assert {path.name for path in Path("s").iterdir()} >= {
        "suite.json",
        "suite.jsonl",
        "suite.csv",
        "suite.md",
        "report.html",
        "ended.json",
        "user-soft",
    }
    assert Path("s/user-soft/report.html").is_file()
    text = Path("s/suite.md").read_text()
    assert "| user/hard | 412.3 | 96.40 | 4.28x |" in text and "torn.task.toml" in text and "command: kernelsearch" in text


def test_filters_leave_a_broken_task_in_peace(suite):
    assert bench("--only", "*ard", "--out", "s") == 0
    assert suite.begun == ["hard"]
    assert bench("--skip", "hard", "--skip", "torn", "--out", "t") == 0
    assert suite.begun == ["hard", "soft"]


def test_seeds_settings_and_shards_multiply(suite, capsys):
    Path("grid.toml").write_text('strategy = ["mcts", "beam"]\nplaybook = "none"\n')
    ways = ("--setting", "grid.toml", "--setting", "few=--budget 3")
    assert bench("--seeds", 2, *ways, "--shard", "1/2", "--skip", "torn", "--out", "s", "--json") == 0
    *rows, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(row["task"], row["seed"], row["setting"]) for row in rows] == [
        ("hard", seed, setting) for seed in (0, 1) for setting in ("mcts", "beam", "few")
    ]
    assert {score["setting"] for score in last["scores"]} == {"mcts", "beam", "few"} and last["missing"] == {}
    spec = json.loads(Path("s/user-hard-s1-beam/run.json").read_text())["spec"]
    assert (spec["strategy"], spec["playbook"], spec["seed"], spec["task_name"]) == ("beam", "none", 1, "hard")
    assert json.loads(Path("s/user-hard-s0-few/run.json").read_text())["spec"]["budget"]["candidates"] == 3


def test_a_suite_is_gone_on_with_and_done_only_once(suite, capsys):
    suite.before = lambda task, number, stop: (_ for _ in ()).throw(BaselineFailed("no")) if task.name == "hard" else None
    assert bench("--skip", "torn", "--out", "s") == 1
    suite.begun.clear()
    assert kernelsearch("bench", "--resume", "s") == 1  # one has failed, and that stands
    assert suite.begun == [] and "1 of 2 searches done, 1 failed" in capsys.readouterr().out
    lines = Path("s/suite.jsonl").read_text().splitlines(keepends=True)
    Path("s/suite.jsonl").write_text(lines[0] + lines[1][:40])
    shutil.rmtree("s/user-soft")
    suite.before = lambda task, number, stop: None
    assert kernelsearch("bench", "--resume", "s") == 1
    assert suite.begun == ["soft"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "name a suite"),
        (("mine", "--resume", "s"), "leave out suites"),
        (("nosuch",), "no task to run: no file or folder 'nosuch'"),
        (("empty",), "no task to run: empty: no task in it"),
        (("mine", "--only", "zz"), "no task fits 'zz'"),
        (("mine", "--shard", "3/2"), "--shard '3/2'"),
        (("mine", "--seeds", "0"), "would run nothing"),
        (("mine", "--seeds", "one"), "how many, as in 5"),
        (("mine", "--setting", "beam"), "write NAME="),
        (("mine", "--setting", "a=--strategy luck"), "unknown strategy 'luck'"),
        (("mine", "--setting", "a=--nothing"), "setting 'a': No such option"),
        (("mine", "--setting", "a=--seed 3"), "see --seeds"),
        (("mine", "--setting", "a=", "--setting", "a="), "two settings are called 'a'"),
        (("mine", "--setting", "none.toml"), "none.toml: no such file"),
        (("mine", "--yardstick", "slow"), "one of eager, compile"),
        (("mine", "--device", "tpu"), "unknown device 'tpu'"),
        (("mine", "--worker", "nosuch"), "unknown worker 'nosuch'"),
        (("mine", "--worker", "spool:box", "--device", "host"), "the device is that of the worker"),
        (("mine", "--hardware", "nosuch"), "nosuch"),
        (("mine", "--metrics", "nosuch"), "no metric set is called 'nosuch'"),
        (("mine", "--device", "emulated:3"), "may follow cuda and pycuda alone"),
        (("mine", "--strategy-option", "q=1"), "strategy 'mcts' has no option 'q'"),
        (("mine", "--launchers", "nosuch"), "--launchers nosuch: no such folder"),
        (("mine", "--skip", "soft", "--skip", "torn", "--shard", "9/9"), "there is only 1"),
        (("bare",), "which `kernelsearch init bare/a.cu` drafts"),
        (("torn", "--only", "zz"), "leave no task; what there is cannot be read: "),
        (("--resume", "mine"), "not the folder of a suite"),
    ],
)
def test_what_cannot_be_run_is_a_sentence_and_leaves_nothing(suite, capsys, args, said):
    for name in ("empty", "bare", "torn"):
        Path(name).mkdir()
    Path("bare/a.cu").write_text(runs.SOURCE)
    Path("torn/a.task.toml").write_text("name = [")
    assert kernelsearch("bench", *args) in (2, 3)
    assert said in capsys.readouterr().err and not Path("runs").exists()


@pytest.mark.parametrize(("option", "value"), [("--worker", "gpus"), ("--gpus", "all"), ("--worker", "gpus:0,1"), ("--worker", "ray")])
def test_what_the_machine_lacks_is_said_before_a_folder_is_made(suite, capsys, monkeypatch, option, value):
    monkeypatch.setattr("kernelsearch.workers.places.detect", list)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.exceptions", None)
    assert kernelsearch("bench", "mine", option, value) == 3
    assert f"{option} {value} needs " in capsys.readouterr().err and not Path("runs").exists()


def test_a_suite_where_a_run_belongs_is_told_from_what_is_neither(suite, capsys):
    bench("--skip", "torn", "--out", "s")
    capsys.readouterr()
    for verb in (("rescore", "s"), ("explain", "s"), ("export", "s", "--sft", "--out", "x")):
        assert kernelsearch(*verb) == 2
        assert "s is the folder of a suite and not of one run; name one of its runs, such as s/user-hard" in capsys.readouterr().err
    Path("s/suite.jsonl").unlink()
    assert kernelsearch("report", "s") == 2
    assert "no search of it is done yet" in capsys.readouterr().err
    assert kernelsearch("report", "mine") == 2
    assert "not a run folder" in capsys.readouterr().err


def test_what_a_suite_is_without_is_said_wherever_it_is_shown(suite, capsys):
    assert bench("--out", "s") == 1
    lines = Path("s/suite.jsonl").read_text().splitlines(keepends=True)
    Path("s/suite.jsonl").write_text("torn\n" + lines[1])
    capsys.readouterr()
    assert kernelsearch("report", "s") == 0
    page = Path("s/report.html").read_text()
    assert "1 of 2 searches, not done yet." in page and "torn.task.toml" in page
    for verb in (("watch", "s", "--once"), ("compare", "s", "s")):
        assert kernelsearch(*verb) == 0
        said = capsys.readouterr()
        assert "not what was written: 1 line of s/suite.jsonl" in said.out + said.err
    assert "not what was written: 1 line of s/suite.jsonl" in page


def test_a_suite_of_which_nothing_can_be_read_says_so(suite, capsys):
    assert bench("--only", "torn", "--out", "s") == 2
    assert "leave no task that can be read: mine/torn.task.toml: not valid TOML" in capsys.readouterr().err
    for name in ("soft", "hard"):
        Path(f"mine/{name}.task.toml").unlink()
    assert bench("--out", "s") == 1
    out = capsys.readouterr().out
    assert "nothing was run" in out and "baseline" not in out and "0 of 0" not in out


def test_a_grid_must_vary_something(tmp_path):
    base = SearchOptions(
        device="auto",
        hardware="",
        metrics="quick",
        seed=0,
        unsafe=False,
        llm="rules",
        base_url="",
        llm_option=(),
        strategy="mcts",
        reward="default",
        parallel=1,
        budget=None,
        minutes=None,
        usd=None,
    )
    grid = tmp_path / "g.toml"
    for text, why in (("parallel = 2", "nothing varies"), ("strategy = []", "write a value"), ("strategy", "g.toml: ")):
        grid.write_text(text)
        with pytest.raises(UsageError, match=why):
            settings.settings((str(grid),), base)
    grid.write_text("parallel = [1, 2]\nunsafe = true\nreward = ['default', 'sol']")
    found = settings.settings((str(grid),), base)
    assert [(s.name, s.spec.parallel, s.spec.reward, s.spec.unsafe) for s in found] == [
        (f"{parallel}/{reward}", parallel, reward, True) for parallel in (1, 2) for reward in ("default", "sol")
    ]


def test_watch_shows_how_a_suite_and_a_run_stand(suite, capsys):
    bench("--out", "s")
    capsys.readouterr()
    assert kernelsearch("watch", "s", "--once") == 0
    assert "2 of 2 searches done; all searches are done" in capsys.readouterr().out
    assert kernelsearch("watch", "s", "--json") == 0  # ended, so it needs not be told to
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ended"] == "all searches are done"
    assert kernelsearch("watch", "s/user-soft") == 0
    out = capsys.readouterr().out
    assert "register accumulator" in out and "ended        budget reached: 4 candidates" in out
    assert kernelsearch("watch", "mine") == 2
    pulse.end(Path("s/user-soft"), "the GPU was lost", failed=True)
    assert kernelsearch("watch", "s/user-soft", "--json") == 1


def test_watch_tells_rows_as_they_come(suite, capsys, monkeypatch):
    bench("--skip", "torn", "--out", "s")
    capsys.readouterr()
    lines, waited = Path("s/suite.jsonl").read_text(), []
    Path("s/suite.jsonl").write_text("")
    Path("s/ended.json").rename("ended")

    def sleep(seconds):
        waited.append(seconds)
        steps = {1: lines[:50], 2: lines}
        Path("s/suite.jsonl").write_text(steps.get(len(waited), lines))
        if len(waited) == 3:
            Path("ended").rename("s/ended.json")

    monkeypatch.setattr("time.sleep", sleep)
    assert kernelsearch("watch", "s", "--every", 0.5) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == ["user/hard: 4.28x · s/user-hard/report.html", "user/soft: 4.28x · s/user-soft/report.html"]
    assert waited == [0.5] * 3


def test_compare_says_plainly_what_is_shown(suite, capsys):
    bench("--skip", "torn", "--out", "s", "--setting", "a=", "--setting", "b=")
    capsys.readouterr()
    assert kernelsearch("compare", "s:a", "s:b") == 0
    out = capsys.readouterr().out
    assert "no difference shown in any of 2 tasks tested" in out and "one seed each" in out
    assert kernelsearch("compare", "s/user-hard-a", "s/user-hard-b", "--json") == 0
    assert json.loads(capsys.readouterr().out)["differences"][0]["ratio"] == 1.0
    for refs, said in (
        (("s:c", "s"), "its settings: a, b"),
        (("mine", "s"), "neither a suite nor a run"),
        (("s/user-hard-a", "s/user-soft-a"), "no task in common"),
    ):
        assert kernelsearch("compare", *refs) == 2
        assert said in capsys.readouterr().err


def test_the_live_view_fits_the_screen_whatever_runs():
    from rich.console import Console

    board = Board.of(header(*(f"t{i:02}" for i in range(60))).jobs)
    for place, cell in enumerate(board.cells.values()):
        cell.state = "running" if place < 8 else "done" if place < 40 else "waiting"
        cell.place = f"cuda:{place}"
    console = Console(width=100, height=30, file=io.StringIO())
    console.print(screen(board, 61.0, 30, 100))
    text = console.file.getvalue()
    assert len(text.splitlines()) <= 30 and "32 of 60 searches done, 8 running, 20 waiting" in text
    assert "cuda:7" in text and "and " in text and " more" in text


@pytest.mark.parametrize("width", [80, 140])
def test_a_narrow_screen_keeps_names_and_speed_ups_whole(suite, capsys, monkeypatch, width):
    from rich.console import Console

    from kernelsearch.cli import tables

    monkeypatch.setattr(tables, "width", lambda: width)
    bench("--skip", "torn", "--out", "s", "--seeds", "2", "--setting", "a-setting=", "--setting", "b=")
    home = SuiteFolder.open(Path("s"))
    board = Board.of(home.jobs, home.rows)
    console = Console(width=width, height=30, file=io.StringIO())
    console.print(screen(board, 61.0, 30, width))
    for text in (console.file.getvalue(), capsys.readouterr().out):
        assert len(re.findall(r"^user/hard +a-setting +[01] +412.3 +96.40 +4.28x", text, re.MULTILINE)) == 2
        assert ("took" in text) == (width == 140)
    assert "4 of 4 searches" not in console.file.getvalue() and "8 of 8 searches done" in console.file.getvalue()
