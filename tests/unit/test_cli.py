"""The command line: what it accepts, what it writes, and that every failure is a sentence and an exit code."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

import runs
from kernelsearch import catalog, cli, search
from kernelsearch.cli import group, progress, run, session
from kernelsearch.cli.options import SearchOptions, limits
from kernelsearch.errors import BaselineFailed, DeviceLost, SandboxBroken, ToolMissing, UsageError
from kernelsearch.model import Budget
from kernelsearch.search import Ended, NodeDone, Result, Started, Warned
from kernelsearch.store import files
from kernelsearch.store.rundir import RunFolder

HEAVY = ("rich", "pydantic", "numpy", "networkx", "jinja2", "tree_sitter", "anthropic", "openai", "mcp")


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


def python(code: str, **streams) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], text=True, timeout=60, check=False, **streams)


def play(folder: Path, watch, stop) -> Result:
    """A search as the engine would report it, from recorded nodes."""
    runs.write(folder)
    journal = RunFolder.open(folder).journal
    watch(Started(task=runs.task(), environment=runs.ENVIRONMENT, spec=runs.SPEC, folder=folder))
    best = journal.nodes[0]
    for node in journal.nodes:
        best = min(best, node, key=lambda n: n.time_us or 1e9)
        watch(NodeDone(node=node, best=best, totals=journal.totals, pending=0))
    watch(Warned(text="the clock was throttled"))
    ended = "stopped by the user" if stop.is_set() else "budget reached: 7 candidates"
    watch(Ended(reason=ended))
    return Result(folder=folder, baseline=journal.nodes[0], best=best, totals=journal.totals, ended=ended)


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel with its task file beside it, and an engine that plays a recorded run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "task", lambda ref: runs.task())
    monkeypatch.setattr(search, "optimize", lambda task, spec, folder, *, watch, stop, ask=None: play(folder, watch, stop))
    path = tmp_path / "softmax.cu"
    path.write_text(runs.SOURCE)
    path.with_suffix(".task.toml").write_text("")
    return path


def lines_of(text: str) -> dict[str, str]:
    """The named lines of head and tail: "best" -> what it says."""
    return {line[:13].strip(): line[13:] for line in text.splitlines() if line[:1].isalpha()}


# What every command has in common


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name, capsys):
    assert kernelsearch(name, "--help") == 0
    assert "Usage: kernelsearch" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = f"import sys, kernelsearch.cli as c\nc.run(c.group, 'kernelsearch', ['--help'])\nprint([m for m in {HEAVY} if m in sys.modules])"
    assert python(code, capture_output=True).stdout.splitlines()[-1] == "[]"


def test_unknown_command_is_a_sentence(capsys):
    assert kernelsearch("optimise") == 2
    assert "No such command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such task"), 2),
        (BaselineFailed("softmax.cu:3: error: expected ';'"), 2),
        (ToolMissing("install g++"), 3),
        (SandboxBroken("no namespaces"), 3),
        (DeviceLost("the GPU is gone"), 3),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a/journal.jsonl"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_one_sentence_and_an_exit_code(error, code, capfd):
    @click.command()
    def failing() -> None:
        raise error

    assert run(failing, "failing", []) == code
    said = capfd.readouterr().err.lstrip()
    assert said.startswith("kernelsearch: ")
    assert "Traceback" not in said
    assert str(error.filename if isinstance(error, OSError) else error) in said


def test_a_bug_of_ours_is_not_hidden():
    @click.command()
    def failing() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(failing, "failing", [])


def test_a_full_disk_under_standard_output_is_a_sentence():
    with Path("/dev/full").open("w") as full:
        done = python("import kernelsearch.cli as c; c.main(['tasks'])", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.strip() == "kernelsearch: No space left on device; make room"


def test_a_reader_that_left_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = python("import kernelsearch.cli as c; c.main(['tasks'])", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_without_our_letters_still_gets_its_lines():
    code = "import click, kernelsearch.cli as c\nc.run(click.command()(lambda: click.echo('9 us – fast')), 'x', [])"
    done = python(code, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert (done.stdout, done.stderr) == ("9 us ? fast\n", "")


# optimize


def test_missing_kernel_names_the_file(tmp_path, capsys):
    assert kernelsearch("optimize", tmp_path / "absent.cu") == 2
    assert capsys.readouterr().err == f"kernelsearch: {tmp_path}/absent.cu: no such file\n"


def test_a_search_says_what_it_did_and_ends_with_the_report(kernel, capsys):
    assert kernelsearch("optimize", kernel) == 0
    captured = capsys.readouterr()
    said = lines_of(captured.out)
    assert said["device"] == "emulated H100, modelled: nothing below was measured · sandbox: bubblewrap (level 2 of 3)"
    assert said["baseline"].startswith("412.3 modelled µs")
    assert said["best"].startswith("#4  96.40 modelled µs, 4.28x, 90 % of speed of light; 2 inputs verified")
    assert said["kept"] == str(kernel.with_suffix(".opt.cu"))
    report = captured.out.splitlines()[-1].split()[-1]
    assert Path(report).name == "report.html" and Path(report).is_file()
    assert "the clock was throttled" in captured.err


def test_every_attempt_has_a_line(kernel, capsys):
    kernelsearch("optimize", kernel)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line[:4].strip().isdigit()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "6", "7"]
    assert rows[0][-4:] == ["sectors/request", "18.5", "->", "4.0"]


def test_quiet_has_no_line_for_attempts(kernel, capsys):
    kernelsearch("optimize", kernel, "--quiet")
    out = capsys.readouterr().out
    assert "swap thread axes" not in out
    assert "best" in lines_of(out)


def test_the_winner_is_kept_beside_the_source_and_in_the_run(kernel):
    kernelsearch("optimize", kernel, "--out", "here")
    winner = runs.attempts()[4].candidate.source
    assert kernel.with_suffix(".opt.cu").read_text() == winner
    assert Path("here", session.BEST).read_text() == winner
    assert kernel.read_text() == runs.SOURCE


def test_what_is_told_as_no_gain_is_not_kept(kernel, monkeypatch, capsys):
    def level(folder: Path, watch, stop) -> Result:
        result = play(folder, watch, stop)
        attempt = replace(result.best.attempt, evaluation=runs.passed(411.9, 4.0))
        return replace(result, best=replace(result.best, attempt=attempt))

    monkeypatch.setattr(search, "optimize", lambda task, spec, folder, *, watch, stop, ask=None: level(folder, watch, stop))
    assert kernelsearch("optimize", kernel) == 0
    said = lines_of(capsys.readouterr().out)
    assert said["best"].startswith("the baseline: no attempt was faster by 0.5 % (")
    assert "kept" not in said and not kernel.with_suffix(".opt.cu").exists()


def test_a_full_disk_beside_the_kernel_loses_no_winner(kernel, monkeypatch, capsys):
    def refuse(path: Path, text: str) -> None:
        if path.name == "softmax.opt.cu":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        files.put(path, text)

    monkeypatch.setattr(session, "put", refuse)
    assert kernelsearch("optimize", kernel, "--out", "here") == 0
    captured = capsys.readouterr()
    assert lines_of(captured.out)["kept"] == f"here/{session.BEST}"
    assert f"warning: cannot write {kernel.with_suffix('.opt.cu')}: No space left on device" in captured.err


def test_a_file_of_the_users_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "kernel.opt.cu"
    target.write_text("mine")
    limits_before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits_before[1]))
    try:
        with pytest.raises(OSError, match=r"kernel\.opt\.cu"):
            files.put(target, "x" * 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits_before)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_that_is_no_kernel_is_told_so(tmp_path, capsys):
    (tmp_path / "kernel.txt").write_text(runs.SOURCE)
    assert kernelsearch("optimize", tmp_path / "kernel.txt") == 2
    assert "kernel.txt: neither a CUDA source (.cu or .cuh) nor a task file (.toml)" in capsys.readouterr().err


@pytest.mark.parametrize("sandbox", ["none (unsafe)", "bubblewrap (level 2 of 3)"])
def test_a_run_is_called_unsafe_where_it_was_and_not_where_it_was_allowed_to(kernel, monkeypatch, capsys, sandbox):
    monkeypatch.setattr(runs, "ENVIRONMENT", replace(runs.ENVIRONMENT, sandbox=sandbox))
    assert kernelsearch("optimize", kernel, "--unsafe") == 0
    assert ("unsafe" in lines_of(capsys.readouterr().out)) == sandbox.startswith("none")


def test_nothing_is_replaced_unless_forced(kernel, capsys):
    kept = kernel.with_suffix(".opt.cu")
    kept.write_text("mine")
    assert kernelsearch("optimize", kernel) == 2
    assert "--force" in capsys.readouterr().err
    assert kept.read_text() == "mine"
    assert not Path("runs").exists()
    assert kernelsearch("optimize", kernel, "--force") == 0
    assert kept.read_text() != "mine"


def test_a_run_that_is_there_is_refused_before_the_search_and_not_touched(kernel, capsys):
    assert kernelsearch("optimize", kernel, "--out", "here") == 0
    report = Path("here/report.html")
    report.write_text("as it was")
    assert kernelsearch("optimize", kernel, "--out", "here", "--force") == 2
    said = capsys.readouterr().err
    assert "go on with it by `kernelsearch resume here`" in said and "what was recorded is kept" not in said
    assert report.read_text() == "as it was"


def test_output_into_no_folder_is_refused_before_the_search(kernel):
    assert kernelsearch("optimize", kernel, "-o", "absent/out.cu") == 2
    assert not Path("runs").exists()


def test_a_task_file_for_another_source_is_refused(kernel, capsys):
    kernel.write_text(runs.SOURCE + "// changed\n")
    assert kernelsearch("optimize", kernel) == 2
    assert "describes another source" in capsys.readouterr().err


def test_json_is_one_object_a_line(kernel, capsys):
    assert kernelsearch("optimize", kernel, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["started", *["node"] * 8, "warning", "ended", "result"]
    result = events[-1]
    assert (result["best"], result["time_kind"], result["ended"]) == (4, "modelled", "budget reached: 7 candidates")
    assert result["speedup"] == pytest.approx(412.3 / 96.4)
    assert events[4]["why"] == "row 257: last element not written"


def test_a_baseline_that_does_not_build_is_named_as_the_user_knows_it(kernel, monkeypatch, capsys):
    def broken(task, spec, folder, *, watch, stop, ask=None):
        raise BaselineFailed("build failed: candidate.cu(9): error: expected a ';'")

    monkeypatch.setattr(search, "optimize", broken)
    assert kernelsearch("optimize", kernel) == 2
    assert f"{kernel}(9): error: expected a ';'" in capsys.readouterr().err


def test_an_error_in_mid_run_keeps_the_report(kernel, monkeypatch, capsys):
    def lost(task, spec, folder, *, watch, stop, ask=None):
        play(folder, watch, stop)
        raise DeviceLost("the GPU fell off the bus")

    monkeypatch.setattr(search, "optimize", lost)
    assert kernelsearch("optimize", kernel, "--out", "here") == 3
    said = capsys.readouterr().err
    assert "kernelsearch resume here" in said and said.endswith("the GPU fell off the bus\n")
    assert Path("here/report.html").is_file()


def test_interrupt_stops_gently_and_says_how_to_go_on(kernel, monkeypatch, capsys):
    def interrupted(task, spec, folder, *, watch, stop, ask=None):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        return play(folder, watch, stop)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(search, "optimize", interrupted)
    assert kernelsearch("optimize", kernel, "--out", "here") == 0
    captured = capsys.readouterr()
    assert "stopping" in captured.err and "kernelsearch resume here" in captured.err
    assert lines_of(captured.out)["ended"].startswith("stopped by the user")
    assert Path("here/report.html").is_file()
    assert signal.getsignal(signal.SIGINT) is before


def test_second_interrupt_ends_at_once():
    code = (
        "import os, signal, threading, time\nfrom kernelsearch.cli.session import gentle\n"
        "with gentle(threading.Event(), print, 'go on with: resume'):\n"
        "    for _ in range(2): os.kill(os.getpid(), signal.SIGINT); time.sleep(0.1)\n"
        "    print('still here')\n"
    )
    done = python(code, capture_output=True)
    assert done.returncode == 130
    assert "quit; go on with: resume" in done.stderr
    assert "still here" not in done.stdout


def test_runs_of_one_second_do_not_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = session.new_folder("softmax", None)
    first.mkdir(parents=True)
    assert session.new_folder("softmax", None) != first


# Options


def chosen(**changes) -> SearchOptions:
    options = {
        "device": "auto", "hardware": "", "metrics": "quick", "secret": "", "seed": 0, "unsafe": False, "llm": "rules", "base_url": "",
        "llm_option": (), "strategy": "mcts", "reward": "default", "parallel": 1, "budget": None, "minutes": None, "usd": None,
    }  # fmt: skip
    return SearchOptions(**{**options, **changes})


def test_budget_has_a_default_only_when_no_limit_is_given():
    assert chosen().spec("t", "d").budget == Budget(candidates=40, minutes=10)
    assert chosen(usd=2.0).spec("t", "d").budget == Budget(usd=2.0)
    assert limits(None, None, None) is None
    assert limits(0, None, None) == Budget(candidates=0)


def test_model_options_reach_the_proposer():
    spec = chosen(llm="openai:m", base_url="http://127.0.0.1:1", llm_option=("effort=high", "record=a=b")).spec("t", "d")
    assert dict(spec.proposer_options) == {"base_url": "http://127.0.0.1:1", "effort": "high", "record": "a=b"}
    with pytest.raises(UsageError, match="NAME=VALUE"):
        chosen(llm_option=("effort",)).spec("t", "d")


def test_head_names_signature_and_budget():
    started = Started(task=runs.task(), environment=runs.ENVIRONMENT, spec=runs.SPEC, folder=Path("r"))
    text = "\n".join(progress.head(started))
    assert "launcher solve(x, y, rows, cols) · reads x[rows, cols] f32 · writes y[rows, cols] f32" in text
    assert "assumed rows=4096 and cols=8192" in text
    assert "budget 7 candidates" in text


# The other commands


def test_report_prints_where_it_is_and_writes_the_graph(tmp_path, capsys):
    runs.write(tmp_path / "run")
    assert kernelsearch("report", tmp_path / "run", "--graph", tmp_path / "tree.graphml") == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "tree.graphml"), str(tmp_path / "run/report.html")]


def test_report_of_no_run_is_a_sentence(tmp_path, capsys):
    assert kernelsearch("report", tmp_path) == 2
    assert "not a run folder" in capsys.readouterr().err


def test_resume_hands_on_the_new_budget_and_worker(tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.chdir(tmp_path)

    def resumed(folder, *, budget, worker, watch, stop, ask=None):
        asked.append((budget, worker))
        return play(folder, watch, stop)

    monkeypatch.setattr(search, "resume", resumed)
    assert kernelsearch("resume", tmp_path / "run", "--budget", 60, "--worker", "spool:box") == 0
    assert kernelsearch("resume", tmp_path / "other") == 0
    assert asked == [(Budget(candidates=60), f"spool:{tmp_path / 'box'}"), (None, "")]
    assert str(tmp_path / "run" / session.BEST) in capsys.readouterr().out


def test_tasks_lists_the_catalogue_and_shows_one(capsys):
    assert kernelsearch("tasks") == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in catalog.names())
    assert kernelsearch("tasks", catalog.names()[0], "--source") == 0
    assert capsys.readouterr().out == catalog.task(catalog.names()[0]).baseline
