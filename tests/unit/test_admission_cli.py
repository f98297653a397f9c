"""`kernelsearch tasks check`: a line for each task, a table for those refused, and an exit code."""

import json
import shutil
from pathlib import Path

import foreign
import pytest

from kernelsearch import catalog, paths
from kernelsearch.cli import group, inputs, progress, run

LOOSE = "[tolerance]\nrtol = 1e-3\natol = 1e-3\n"


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """The shipped gelu task with a tolerance that half precision meets."""
    folder = tmp_path / "loose"
    shutil.copytree(paths.data("tasks") / "core" / "gelu", folder)
    file = folder / "task.toml"
    file.write_text(file.read_text().replace("[cost]", f"{LOOSE}\n[cost]"))
    return folder


def test_admitted_tasks_take_a_line_each(capsys) -> None:
    assert kernelsearch("tasks", "check", "core/gelu", "core/transpose", "--no-baseline") == 0
    first, second, empty, last = capsys.readouterr().out.splitlines()
    assert first.startswith("core/gelu ") and "admitted  6 calls, 33 questions" in first
    assert second.startswith("core/transpose ")
    assert (empty, last) == ("", "2 of 2 tasks admitted")


def test_a_refused_task_says_why_and_is_exit_code_2(loose: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "told.json"
    assert kernelsearch("tasks", "check", "transpose", loose, "--no-baseline", "--json", file) == 2
    out = capsys.readouterr().out
    assert "user/gelu                 refused   TF32 inputs: passes every call: its error is at most" in out
    assert "zeros" not in out  # what is as it should be is not told
    assert out.endswith("1 of 2 tasks admitted; refused: user/gelu\n")
    good, bad = json.loads(file.read_text())
    assert (good["task"], good["admitted"], bad["task"], bad["admitted"]) == ("transpose", True, "gelu", False)
    assert {line["solver"] for line in bad["lines"] if not line["ok"]} >= {"TF32 inputs", "fp16 inputs"}


def test_verbose_tells_every_solver(capsys) -> None:
    assert kernelsearch("tasks", "check", "histogram", "--no-baseline", "--verbose") == 0
    out = capsys.readouterr().out
    assert "not tried: no float input to round" in out and "stale: answer to other contents" in out


def test_the_baseline_runs_on_the_emulated_device(loose: Path, capsys) -> None:
    source = loose / "baseline.cu"
    assert kernelsearch("tasks", "check", "core/gelu", "--verbose") == 0
    assert "passes on emulated" in capsys.readouterr().out
    (loose / "task.toml").write_text((loose / "task.toml").read_text().replace(LOOSE, ""))
    source.write_text(source.read_text().replace("0.044715", "0.0445"))
    assert kernelsearch("tasks", "check", loose) == 2
    assert "refused   baseline: disagrees with the reference" in capsys.readouterr().out


def test_what_is_not_a_command_is_a_task(capsys) -> None:
    assert kernelsearch("tasks", "core/gelu") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("gelu ")
    assert kernelsearch("tasks", "show", "core/gelu") == 0
    assert capsys.readouterr().out == shown
    assert kernelsearch("tasks", "core") == 0
    assert {line.split("/")[0] for line in capsys.readouterr().out.splitlines()[1:]} == {"core"}
    assert kernelsearch("tasks", "--source") == 2
    assert "--source needs the name of a task" in capsys.readouterr().err
    assert kernelsearch("tasks", "check", "gellu") == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_problem_of_others_is_admitted_without_what_the_device_cannot_run(tmp_path: Path, capsys) -> None:
    pytest.importorskip("torch")
    assert kernelsearch("tasks", "check", foreign.leetgpu(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "leetgpu/scaled_sum" in out and "2 not tried" in out and "1 of 1 task admitted" in out


def test_what_a_launcher_takes_is_told_with_the_types_of_its_numbers(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (found,) = inputs.listed(str(foreign.leetgpu(tmp_path)))
    (tmp_path / "a.cu").write_text("")
    head, reference = progress.described(found.read(launcher=tmp_path / "a.cu"))[:2]
    assert head.endswith(" · takes N u64, alpha f32") and reference.endswith("x 1 kind of input")
    assert " takes " not in progress.described(catalog.task("core/row_softmax"))[0]
