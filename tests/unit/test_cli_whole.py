"""The commands from end to end, with the real engine on the emulated device and a kernel that is small."""

import json
import os
from pathlib import Path

import pytest

import runs
from kernelsearch.cli import group, run


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("softmax.cu")
    path.write_text(runs.SOURCE)
    return path


@pytest.fixture
def drafted(kernel, capsys):
    """The kernel with its task drafted, at a size that the emulated device runs at once."""
    assert kernelsearch("init", kernel, "--elements", 6000) == 0
    capsys.readouterr()
    return kernel


def test_init_says_what_it_assumed_and_what_comes_next(kernel, capsys):
    assert kernelsearch("init", kernel) == 0
    said = capsys.readouterr().out
    assert "assumed  reference = the baseline's own output" in said
    assert said.endswith("next     kernelsearch optimize softmax.cu\n")
    assert Path("softmax.task.toml").is_file()


def test_init_replaces_nothing_unless_forced(drafted, capsys):
    Path("softmax.task.toml").write_text("# mine\n")
    assert kernelsearch("init", drafted) == 2
    assert "--force" in capsys.readouterr().err
    assert Path("softmax.task.toml").read_text() == "# mine\n"
    assert kernelsearch("init", drafted, "--force") == 0
    assert "softmax.cu" in Path("softmax.task.toml").read_text()


def test_what_the_source_does_not_tell_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("scale.cu").write_text(
        "__global__ void scale(const float* x, float* y, int n) {\n"
        "    int i = blockIdx.x * blockDim.x + threadIdx.x;\n    if (i < n) y[i] = 2.0f * x[i];\n}\n"
    )
    assert kernelsearch("init", "scale.cu") == 0
    said = capsys.readouterr().out
    asked = "how the kernel is launched: put this line at the head of scale.cu, once it is right: // launch: scale grid="
    assert f"unsure   {asked}" in said
    Path("scale.task.toml").unlink()
    assert kernelsearch("optimize", "scale.cu", "--device", "emulated") == 2
    assert f"does not say all that a search must know: {asked}" in capsys.readouterr().err
    assert Path("scale.task.toml").is_file()
    assert not Path("runs").exists()


def test_a_fault_in_the_task_file_is_told_with_its_path(drafted, capsys):
    file = Path("softmax.task.toml")
    file.write_text(file.read_text().replace('kind = "output"', 'kind = "result"'))
    assert kernelsearch("optimize", drafted) == 2
    assert capsys.readouterr().err.startswith("kernelsearch: softmax.task.toml: args[1].kind: ")


def test_a_fault_of_the_reference_is_told_of_the_users_own(drafted, capsys):
    Path("own.py").write_text("def softmax(x, rows, cols):\n    return 1 / 0\n")
    file = Path("softmax.task.toml")
    file.write_text(file.read_text() + '[reference]\npython = "own.py:softmax"\n')
    assert kernelsearch("optimize", drafted, "--device", "emulated") == 2
    said = capsys.readouterr().err
    assert "kernelsearch: the reference of softmax, line 2: softmax raised ZeroDivisionError" in said


def test_search_resume_and_report(drafted, capsys):
    own = Path("mine.toml")
    own.write_text("[weights]\nspeedup = 1\ntraffic = 0.5\n")
    searched = ("optimize", drafted, "--device", "emulated", "--budget", 2, "--out", "run", "--json", "--reward", "./mine.toml")
    assert kernelsearch(*searched) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    result = events[-1]
    assert (result["event"], result["candidates"], result["time_kind"]) == ("result", 2, "modelled")
    assert events[1]["number"] == 0 and events[1]["status"] == "passed"
    assert Path(result["report"]).is_file()

    own.unlink()  # the run kept the weights
    assert kernelsearch("resume", "run", "--budget", 3, "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["nodes_before"] == 3
    assert events[-1]["candidates"] == 3

    assert kernelsearch("rescore", "run", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["reward"]["name"], again["differing"], len(again["nodes"])) == ("mine", [], 4)
    assert kernelsearch("explain", "run", 0) == 0
    assert "reward   0.000 by mine" in capsys.readouterr().out

    assert kernelsearch("optimize", drafted, "--device", "emulated", "--out", "run", "--force") == 2
    assert "kernelsearch resume run" in capsys.readouterr().err


def test_a_suite_is_searched_resumed_watched_and_compared(drafted, capsys):
    assert kernelsearch("bench", "softmax.task.toml", "--device", "emulated", "--budget", 1, "--seeds", 2, "--out", "s", "--json") == 0
    *rows, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(row["seed"], row["candidates"], row["time_kind"]) for row in rows] == [(0, 1, "modelled"), (1, 1, "modelled")]
    assert last["scores"][0]["searches"] == 2 and last["ended"] == "all searches are done"
    assert all(Path(row["report"]).is_file() and row["speedup"] >= 1 for row in rows)

    journal, suite = Path("s/user-softmax-s1/journal.jsonl"), Path("s/suite.jsonl")  # as a kill leaves them
    whole, first = journal.read_bytes(), suite.read_bytes().splitlines(keepends=True)[0]
    journal.write_bytes(whole[: whole.index(b"\n") + 50])
    suite.write_bytes(first)
    Path("s/user-softmax-s1/ended.json").unlink()
    assert kernelsearch("bench", "--resume", "s", "--json") == 0
    again, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert [again[name] for name in ("seed", "best_us", "speedup", "steps")] == [
        rows[1][name] for name in ("seed", "best_us", "speedup", "steps")
    ]
    assert suite.read_bytes().startswith(first) and len(suite.read_bytes().splitlines()) == 2
    assert kernelsearch("watch", "s", "--once") == 0 and kernelsearch("compare", "s", "s") == 0
    assert "no difference shown" in capsys.readouterr().out


def test_a_baseline_that_does_not_compile_is_told_in_the_compilers_words(drafted, capsys):
    drafted.write_text(runs.SOURCE.replace("float sum = 0.0f;", "float sum = 0.0f"))
    assert kernelsearch("optimize", drafted, "--device", "emulated") == 2
    said = capsys.readouterr().err
    assert "build failed" in said and "softmax.cu" in said and "error" in said
    assert "candidate.cu" not in said


@pytest.mark.parametrize(("change", "code", "verdict"), [("", 0, "passed"), ("/ sum;", 1, "wrong")])
def test_evaluate_judges_one_kernel(drafted, capsys, change, code, verdict):
    candidate = Path("candidate.cu")
    candidate.write_text(runs.SOURCE.replace(change, "/ (sum + 1.0f);") if change else runs.SOURCE)
    assert kernelsearch("evaluate", candidate, "--task", "softmax.task.toml", "--device", "emulated", "--json") == code
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict


def test_evaluate_shows_its_evidence(drafted, capsys):
    assert kernelsearch("evaluate", drafted, "--device", "emulated") == 0
    said = capsys.readouterr().out
    assert "softmax: passed." in said and "modelled µs" in said and "error / gate" in said
    assert kernelsearch("evaluate", drafted, "--device", "emulated", "--until", "verify") == 0
    said = capsys.readouterr().out
    assert "softmax: nothing failed up to verify" in said and "error / gate" in said and "passed." not in said


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [
        ("--device", "tpu", "emulated"),
        ("--strategy", "luck", "mcts"),
        ("--llm", "oracle", "anthropic:MODEL"),
        ("--hardware", "h1000", "h100"),
    ],
)
def test_unknown_names_are_told_with_the_known_ones(drafted, capsys, option, value, known):
    assert kernelsearch("optimize", drafted, "--device", "emulated", option, value) == 2
    assert known in capsys.readouterr().err


def test_a_model_without_a_key_is_told_how_to_get_one(drafted, capsys, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    assert kernelsearch("optimize", drafted, "--device", "emulated", "--llm", "anthropic:any") == 3
    assert "ANTHROPIC_API_KEY" in capsys.readouterr().err


def test_doctor_tells_remedies_and_shows_no_key(capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert kernelsearch("doctor", "--json") == 0
    said = capsys.readouterr().out
    lines = {line["name"].strip(): line for line in map(json.loads, said.splitlines())}
    assert lines["sandbox"]["ok"] and lines["host compiler"]["ok"]
    assert all(line["remedy"] for line in lines.values() if not line["ok"])
    assert "sk-very-secret" not in said


def test_doctor_tells_of_a_cache_that_cannot_be_written(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KERNELSEARCH_CACHE", str(tmp_path))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and not (path == tmp_path and mode == os.W_OK))
    kernelsearch("doctor", "--json")
    lines = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert not lines["cache"]["ok"] and lines["cache"]["text"] == f"{tmp_path}, not writable"
    assert "KERNELSEARCH_CACHE" in lines["cache"]["remedy"]
