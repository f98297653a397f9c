"""KernelBench as a suite: what is recognised as one, broken problems by name, and results in the files that its own scripts read."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import nodes
import pytest
import torch_problems as problems

import runs
from kernelsearch import cli, digest, formats, oracle
from kernelsearch.cli import batch, inputs
from kernelsearch.cli.gather import Gathered
from kernelsearch.errors import ToolMissing, UsageError
from kernelsearch.formats import kernelbench
from kernelsearch.model import (
    Arg,
    ArgKind,
    Attempt,
    Candidate,
    Case,
    DType,
    Environment,
    Expression,
    Form,
    Node,
    Origin,
    Proposal,
    Reference,
    RunSpec,
    Task,
    TorchCall,
    Verdict,
)
from kernelsearch.store.rundir import Header, RunFolder

BROKEN = "class Model(:\n"


@pytest.fixture(scope="module", autouse=True)
def end_of_the_trusted_process():
    yield
    oracle.close()


def checkout(root: Path) -> Path:
    level = root / "KernelBench" / "level1"
    level.mkdir(parents=True)
    (level / "10_Softmax.py").write_text(problems.SOFTMAX)
    (level / "2_Linear_.py").write_text(problems.LINEAR)
    (level / "3_Broken.py").write_text(BROKEN)
    (level / "helper.py").write_text("x = 1\n")
    return root


@pytest.mark.parametrize("below", ["", "KernelBench", "KernelBench/level1"])
def test_a_checkout_is_found_from_its_root_or_a_level_and_listed_by_number(tmp_path, below):
    found = formats.recognised(checkout(tmp_path) / below)
    assert found.format == "KernelBench" and found.load is None
    assert [(row.suite, row.name) for row in found.listed()] == [
        ("kernelbench-level1", "2_Linear_"),
        ("kernelbench-level1", "3_Broken"),
        ("kernelbench-level1", "10_Softmax"),
    ]


def test_a_folder_without_a_problem_is_none(tmp_path):
    (tmp_path / "1_notes.py").write_text("print('Model get_inputs get_init_inputs')\n")
    (tmp_path / "2_broken.py").write_text(BROKEN)
    assert formats.recognised(tmp_path) is None
    assert formats.recognised(tmp_path / "absent") is None


def test_a_problem_is_read_only_when_it_is_asked_for(tmp_path):
    pytest.importorskip("torch", reason="reading a PyTorch problem needs torch (pip install kernelsearch[torch])")
    rows = {row.name: row for row in formats.recognised(checkout(tmp_path)).listed()}
    assert rows["10_Softmax"].read().suite == "kernelbench-level1"
    with pytest.raises(UsageError, match=r"3_Broken\.py: line 1: SyntaxError"):
        rows["3_Broken"].read()


def test_a_broken_problem_is_a_row_and_the_exit_code_is_1(tmp_path, capsys):
    pytest.importorskip("torch", reason="reading a PyTorch problem needs torch (pip install kernelsearch[torch])")
    level = tmp_path / "level1"
    level.mkdir()
    (level / "1_Odd.py").write_text(problems.SOFTMAX.replace("torch.softmax(x, dim=1)", "3"))
    assert cli.run(cli.group, "kernelsearch", ["bench", str(level), "--json", "--out", str(tmp_path / "out")]) == 1
    row, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["task"], row["suite"]) == ("1_Odd", "kernelbench-level1")
    assert "forward returns no tensor" in row["failure"]


def test_what_a_filter_leaves_out_is_not_read(tmp_path, monkeypatch):
    level = tmp_path / "level1"
    level.mkdir()
    for name in ("1_Large", "2_Odd", "23_Softmax"):
        (level / f"{name}.py").write_text(problems.SOFTMAX)
    read = []
    monkeypatch.setattr(kernelbench.suite, "load", lambda path: read.append(path.stem) or runs.task())
    monkeypatch.setattr(inputs, "proposable", lambda task, proposer: None)
    gathered = Gathered([str(level)], "rules", only=["2*"], skip=["*/2_Odd"])
    assert read == ["23_Softmax"] and gathered.unread[::2] == ["1_Large", "2_Odd"]
    with pytest.raises(UsageError, match=r"leave no task; they are called 1_Large, 2_Odd, 23_Softmax"):
        batch.header(Gathered([str(level)], "rules", only=["9*"]), batch.Wanted(settings=(), seeds=(0,), only=("9*",)))


def table(file: Path, **columns) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet needs pyarrow (pip install kernelsearch[parquet])")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), file)
    return file


def test_parquet_is_recognised_by_its_content_and_gives_the_same_tasks(tmp_path):
    file = table(tmp_path / "data", code=[problems.SOFTMAX] * 2, level=[2, 2], name=["7_Soft", "Max/../x.py"], problem_id=[7, 8])
    rows = formats.recognised(file).listed()
    assert [(row.suite, row.name) for row in rows] == [("kernelbench-level2", "7_Soft"), ("kernelbench-level2", "8_Max_.._x")]


def test_another_table_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no column 'level'"):
        formats.recognised(table(tmp_path / "a.parquet", code=["x"], name=["y"])).listed()
    with pytest.raises(UsageError, match="row 0: level is 'one', not of type int"):
        formats.recognised(table(tmp_path / "b.parquet", code=["x"], level=["one"], name=["1_y"], problem_id=[1])).listed()
    twice = table(tmp_path / "c.parquet", code=["x", "x"], level=[1, 1], name=["1_y", "1_y"], problem_id=[1, 1])
    with pytest.raises(UsageError, match="more than one problem is called kernelbench-level1/1_y"):
        formats.recognised(twice).listed()


def test_a_damaged_table_is_the_users_and_a_missing_library_is_named(tmp_path, monkeypatch):
    damaged = tmp_path / "a.parquet"
    damaged.write_bytes(b"PAR1 and then nothing")
    if importlib.util.find_spec("pyarrow") is not None:
        with pytest.raises(UsageError, match="not a parquet file that can be read"):
            formats.recognised(damaged).listed()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ToolMissing, match=r"kernelsearch\[parquet\]"):
        formats.recognised(damaged).listed()


def problem(name: str, suite: str = "kernelbench-level1") -> Task:
    """A task as a problem would give it; torch is not needed to make one."""
    shape = (Expression("4"),)
    return Task(
        name=name,
        suite=suite,
        form=Form.TORCH,
        entry="ModelNew",
        args=(
            Arg(name="x0", kind=ArgKind.INPUT, dtype=DType.F32, shape=shape),
            Arg(name="y0", kind=ArgKind.OUTPUT, dtype=DType.F32, shape=shape),
        ),
        cases=(Case(name="problem", sizes={}, timed=True),),
        baseline="class ModelNew: pass\n",
        reference=Reference(source="", function="Model"),
        torch=TorchCall(init='{"list": []}', inputs='{"list": []}', outputs='{"arg": "y0"}', parameters={}, shapes={}),
    )


def recorded(folder: Path, task: Task, *attempts: Attempt, time_kind: str = "measured") -> None:
    environment = Environment(device="NVIDIA H100 80GB HBM3", time_kind=time_kind, sandbox="full")
    spec = RunSpec(task=digest.task(task), task_name=task.name)
    run = RunFolder.create(folder, Header(version="1.2", started="", spec=spec, task=task, environment=environment))
    for number, attempt in enumerate(attempts):
        run.journal.append(attempt, None, float(number))
    run.close()


def attempt(node: Node, source: str) -> Attempt:
    return replace(node.attempt, candidate=Candidate(task="t", source=source, flags=(), origin=Origin(proposer="user")))


def suite(folder: Path) -> Path:
    better = Proposal(ticket=1, parent=0, seed=0)
    own = attempt(nodes.passed(0, None, 2000.0), "own")
    for name in ("1_Square_matrix_", "10_Softmax"):
        kernel = attempt(nodes.passed(1, better, 500.0), f"kernel of {name}")
        held = replace(kernel, evaluation=nodes.passing(500.0, "faster", against="digest"))
        recorded(folder / name, problem(name), own, held)
    recorded(folder / "1-again", problem("1_Square_matrix_"), own)
    recorded(folder / "2", problem("2_Odd"), attempt(nodes.failed(0, None, Verdict.WRONG), "own"))
    recorded(folder / "other", problem("row_softmax", "core"), own)
    return folder


def exported(tmp_path: Path, capsys) -> Path:
    out = tmp_path / "out"
    assert cli.run(cli.group, "kernelsearch", ["export", str(suite(tmp_path / "night")), "--form", "kernelbench", "--out", str(out)]) == 0
    assert "core/row_softmax is no problem of a KernelBench level" in capsys.readouterr().err
    return out


def test_results_stand_in_the_form_of_its_scripts(tmp_path, capsys):
    run = exported(tmp_path, capsys) / "runs" / "night"
    results = json.loads((run / "eval_results.json").read_text())
    assert list(results) == ["1", "2", "10"]
    assert {entry["sample_id"] for entry in results["1"]} == {0, 1}
    best = results["10"][0]
    assert (best["compiled"], best["correctness"]) == (True, True)
    assert best["runtime"] == best["runtime_stats"]["mean"] == pytest.approx(0.5, rel=0.1)
    assert best["runtime_stats"].keys() == {"mean", "std", "min", "max", "num_trials", "hardware", "device"}
    wrong = results["2"][0]
    assert (wrong["correctness"], wrong["runtime"], wrong["runtime_stats"]) == (False, -1.0, {})
    assert wrong["metadata"]["verdict"] == "wrong"
    assert (run / "level_1_problem_10_sample_0_kernel.py").read_text() == "kernel of 10_Softmax"
    assert sorted(file.name for file in run.glob("level_1_problem_1_*")) == [f"level_1_problem_1_sample_{n}_kernel.py" for n in (0, 1)]


def test_the_modules_own_times_are_the_baseline_under_their_file_names(tmp_path, capsys):
    timing = exported(tmp_path, capsys) / "results" / "timing" / "NVIDIA_H100_80GB_HBM3" / "baseline_time_torch.json"
    level = json.loads(timing.read_text())["level1"]
    assert level.keys() == {"1_Square_matrix_.py", "10_Softmax.py"}
    assert level["10_Softmax.py"]["mean"] == pytest.approx(2.0, rel=0.1)


def test_modelled_times_are_no_results_and_nothing_is_overwritten(tmp_path, capsys):
    recorded(tmp_path / "emulated", problem("1_A"), attempt(nodes.passed(0, None, 5.0), "x"), time_kind="modelled")
    with pytest.raises(UsageError, match="its times are modelled"):
        kernelbench.collected(tmp_path / "emulated")
    samples, _ = kernelbench.collected(suite(tmp_path / "night"))
    kernelbench.write(samples, tmp_path / "out", "night")
    with pytest.raises(UsageError, match="holds results already"):
        kernelbench.write(samples, tmp_path / "out", "night")


def test_each_level_is_a_run_of_its_own(tmp_path):
    own = attempt(nodes.passed(0, None, 2000.0), "own")
    for level in (1, 3):
        recorded(tmp_path / f"{level}", problem("4_X", f"kernelbench-level{level}"), own)
    paths = kernelbench.write(kernelbench.collected(tmp_path)[0], tmp_path / "out", "n")
    assert [path.name for path in paths] == ["n-level1", "n-level3", "baseline_time_torch.json"]


def test_launchers_answer_the_problems_that_they_are_called_after(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    items = formats.recognised(checkout(tmp_path)).listed()
    with pytest.raises(UsageError, match="no launcher in it is called as a problem"):
        inputs.answered(items, mine)
    for name in ("10.cu", "3_Broken.cu"):
        (mine / name).write_text('extern "C" void solve(const float* x0, float* y0) {}\n')
    found = {item.name: item for item in inputs.answered(items, mine)}
    assert list(found) == ["3_Broken", "10_Softmax"]
    pytest.importorskip("torch", reason="reading a PyTorch problem needs torch (pip install kernelsearch[torch])")
    task = found["10_Softmax"].read()
    assert (task.form, task.baseline) == (Form.LAUNCHER, (mine / "10.cu").read_text())


def test_a_task_of_ours_is_not_answered_by_a_launcher(tmp_path):
    (tmp_path / "row_softmax.cu").write_text("")
    (item,) = inputs.answered(inputs.listed("core/row_softmax"), tmp_path)
    with pytest.raises(UsageError, match="has a kernel of its own"):
        item.read()
