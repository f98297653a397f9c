"""`kernelsearch synthesize` from words to judged thoughts on the emulated device, and what it refuses before any money is spent."""

import json
from dataclasses import replace
from pathlib import Path

import answers
import pytest

import runs
from kernelsearch import catalog, chosen
from kernelsearch.cli import consent, group, run
from kernelsearch.errors import UsageError
from kernelsearch.formats import kernelbench
from kernelsearch.model import Totals, Usage
from kernelsearch.store.rundir import RunFolder

WORDS = "weighted sums of rows, f32"


def kernelsearch(*args: object) -> int:
    return run(group, "kernelsearch", [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def script(*replies: str) -> str:
    Path("said.jsonl").write_text("".join(json.dumps({"reply": reply}) + "\n" for reply in replies))
    return "replay:said.jsonl"


def test_words_become_a_task_and_its_thoughts_are_judged(capsys):
    llm = script(answers.task(reference="import os\n"), answers.task(), answers.THOUGHTS, answers.kernel(answers.WARP), "no edit")
    options = ("--llm-option", "edit_format=whole-file", "--llm-option", "repairs=0", "--hardware", "h100", "--metrics", "none")
    code = kernelsearch(
        "synthesize", WORDS, "--llm", llm, *options, "--device", "emulated", "--thoughts", 2, "--synthesize-only", "--yes", "--out", "run"
    )
    said = capsys.readouterr().out
    assert code == 0, said
    folder = Path("weighted-sums-of-rows-f32")
    assert {path.name for path in folder.iterdir()} == {"task.toml", "reference.py", "baseline.cu", "answers.jsonl"}
    assert catalog.task(str(folder)).baseline == answers.BASELINE
    assert len((folder / "answers.jsonl").read_text().splitlines()) == 3
    assert said.index("return x @ w") < said.index(consent.RUNS_AS_YOU) < said.index("passes on emulated") < said.index("wrote ")
    assert "what rounding explains in sums of cols terms" in said and "weights in shared memory" in said
    home = RunFolder.open(Path("run"))
    baseline, warp, none = home.nodes
    assert (warp.parent, warp.attempt.proposal.directive, warp.passed) == (0, "a warp for each row", True)
    assert "along this idea: a warp for each row" in warp.candidate.origin.prompt and "shuffles add up" in warp.candidate.origin.prompt
    assert none.attempt.outcome.value == "unusable" and home.spec.proposer_options["skip"] == "3"
    assert warp.time_us < baseline.time_us


def test_without_a_terminal_and_without_yes_nothing_begins(capsys):
    assert kernelsearch("synthesize", WORDS, "--llm", script(answers.task())) == 2
    assert "--yes" in capsys.readouterr().err
    assert not Path("weighted-sums-of-rows-f32").exists()


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_a_no_runs_and_writes_nothing(answer, monkeypatch, capsys):
    monkeypatch.setattr(consent.sys, "stdin", _Terminal(answer))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: _read(answer))
    code = kernelsearch("synthesize", WORDS, "--llm", script(answers.task()))
    said = capsys.readouterr()
    assert code in (1, 130) and "return x @ w" in said.out and "passes on" not in said.out
    assert [path.name for path in Path("weighted-sums-of-rows-f32").iterdir()] == ["answers.jsonl"]


class _Terminal:
    def __init__(self, text: str) -> None:
        self.text = text

    def isatty(self) -> bool:
        return True


def _read(answer: str) -> str:
    if not answer:
        raise EOFError
    return answer.strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [("softmax.cu", "kernelsearch optimize softmax.cu"), ("mine/task.toml", "kernelsearch optimize"), ("  ", "say what is to be computed")],
)
def test_what_are_no_words_is_told_what_to_do(words, said, capsys):
    assert kernelsearch("synthesize", words, "--llm", script("x"), "--yes") == 2
    assert said in capsys.readouterr().err


def test_a_task_that_is_there_is_not_replaced(capsys):
    Path("mine").mkdir()
    Path("mine/task.toml").write_text("# mine\n")
    assert kernelsearch("synthesize", WORDS, "--llm", script("x"), "--yes", "--into", "mine") == 2
    assert "--into" in capsys.readouterr().err and Path("mine/task.toml").read_text() == "# mine\n"


def test_a_run_folder_that_is_there_is_refused_before_the_model_is_asked(capsys):
    Path("run").mkdir()
    assert kernelsearch("synthesize", WORDS, "--llm", script("x"), "--yes", "--out", "run") == 2
    assert "run is there already" in capsys.readouterr().err and not Path("weighted-sums-of-rows-f32").exists()


def test_a_python_file_that_is_no_problem_is_told_so_before_a_folder_is_made(monkeypatch, capsys):
    monkeypatch.setattr(kernelbench, "load", lambda path, launcher=None: _raise(UsageError(f"{path}: no class Model")))
    Path("mine.py").write_text("def softmax(x): ...\n")
    assert kernelsearch("synthesize", "mine.py", "--llm", script("x")) == 2
    assert "no class Model" in capsys.readouterr().err
    assert not Path("mine-thoughts").exists()


def _raise(error: Exception) -> None:
    raise error


def test_a_replay_that_began_further_on_is_resumed_behind_what_was_used():
    spec = replace(runs.SPEC, proposer="replay:said.jsonl", proposer_options={"skip": "3", "by": "order"})
    assert chosen._proposer_options(spec, Totals(usage=Usage(calls=2))) == {"skip": "5", "by": "order"}
    assert chosen._proposer_options(spec, Totals()) == {"skip": "3", "by": "order"}


def test_it_needs_a_model(capsys):
    assert kernelsearch("synthesize", WORDS, "--yes") == 2
    assert "--llm" in capsys.readouterr().err and not Path("weighted-sums-of-rows-f32").exists()
