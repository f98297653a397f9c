"""Runs as training data: which answers become rows, which are compared, and that nothing is told apart that measurements leave open."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import runs
from kernelsearch.cli import group, run
from kernelsearch.model import (
    Attempt,
    Candidate,
    CaseTiming,
    Evaluation,
    Interval,
    Measurement,
    Node,
    Origin,
    Outcome,
    Proposal,
    TimeKind,
    Totals,
    Usage,
    Verdict,
)
from kernelsearch.report import training
from kernelsearch.report.view import Record
from kernelsearch.store.rundir import Header, RunFolder

SYSTEM = "You edit kernels."


def measured(time_us: float, interval: tuple[float, float] | None = None, spread: float = 0.0) -> Measurement:
    samples = (time_us,) if not spread else tuple(time_us * (1 + spread * shift) for shift in (-1, -0.5, 0, 0.5, 1))
    bounds = None if interval is None else Interval(low=interval[0], high=interval[1], confidence=0.99)
    speedup = None if interval is None else sum(interval) / 2
    return Measurement(kind=TimeKind.MEASURED, timings=(CaseTiming(case="large", samples_us=samples),), speedup=speedup, interval=bounds)


def passed(time_us: float, **more: object) -> Evaluation:
    return replace(runs.passed(time_us, 4.0), measurement=measured(time_us, **more))


def answered(parent: int, name: str, evaluation: Evaluation | None, *, turns: int = 1, request: str = "", **more: object) -> Attempt:
    """An attempt by a model after `turns` answers, as a proposer records it."""
    asked = "\n\n".join([SYSTEM, *(f"---\n\n{request or f'edit {parent}'}, turn {turn}" for turn in range(1, turns + 1))])
    said = "\n\n---\n\n".join(f"{name} {turn}" for turn in range(1, turns + 1))
    usage = Usage(input_tokens=10, output_tokens=5, calls=turns)
    origin = Origin(proposer="m", directive=name, model="m-1", prompt=asked, reply=said, usage=usage)
    return Attempt(
        proposal=Proposal(ticket=0, parent=parent, seed=0),
        outcome=more.pop("outcome", Outcome.EVALUATED if evaluation else Outcome.UNUSABLE),
        candidate=Candidate(task="t", source=f"// {name}", origin=origin) if evaluation else None,
        evaluation=evaluation,
        usage=usage,
        prompt=asked,
        reply=said,
        **more,
    )


def record(*attempts: Attempt, baseline: Evaluation | None = None) -> Record:
    start = replace(runs.attempts()[0], evaluation=baseline or passed(100.0))
    nodes = tuple(Node(number=number, attempt=attempt) for number, attempt in enumerate((start, *attempts)))
    header = {"task": runs.task(), "spec": runs.SPEC, "environment": runs.ENVIRONMENT, "version": "1", "started": "then", "folder": "f"}
    return Record(**header, nodes=nodes, totals=Totals())


def wrong() -> Evaluation:
    return runs.failed(Verdict.WRONG, "row 3")


def sft(*records: Record, **more: float) -> list[dict]:
    return list(training.sft(records, training.Tally(), **more))


def pairs(*records: Record, **more: float) -> list[dict]:
    return list(training.preferences(records, training.Tally(), **more))


def test_an_answer_that_made_a_kernel_faster_is_a_conversation():
    (row,) = sft(record(answered(0, "tile", passed(50.0)), answered(0, "slow", passed(130.0)), answered(0, "bad", wrong())))
    assert row["messages"] == [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "edit 0, turn 1"},
        {"role": "assistant", "content": "tile 1"},
    ]
    origin = row["provenance"]
    assert (origin["task"], origin["node"], origin["parent"], origin["model"], origin["status"]) == ("softmax", 1, 0, "m-1", "passed")
    assert origin["time_us"] == 50.0 and origin["speedup"] == 2.0


def test_mending_a_kernel_that_failed_is_worth_a_row():
    rows = sft(record(answered(0, "bad", wrong()), answered(1, "mended", passed(120.0))))
    assert [row["messages"][-1]["content"] for row in rows] == ["mended 1"]


def test_of_a_conversation_with_repairs_the_last_answer_follows_the_first_request():
    (row,) = sft(record(answered(0, "tile", passed(50.0), turns=3)))
    assert [turn["content"] for turn in row["messages"]] == [SYSTEM, "edit 0, turn 1", "tile 3"]


def test_turns_that_cannot_be_told_apart_are_left_out_and_counted():
    tally = training.Tally()
    unclear = answered(0, "a\n\n---\n\nb", passed(50.0), turns=2)
    assert list(training.sft([record(unclear)], tally)) == [] and tally.unclear == 1
    (row,) = sft(record(answered(0, "a\n\n---\n\nb", passed(50.0))))
    assert row["messages"][-1]["content"] == "a\n\n---\n\nb 1" and len(row["messages"]) == 2


def test_edits_by_rules_and_answers_that_never_came_are_no_rows():
    rules = replace(answered(0, "rule", passed(50.0)), usage=Usage(), prompt="", reply="")
    refused = answered(0, "no", None, outcome=Outcome.LLM_FAILED)
    twice = answered(0, "again", passed(50.0), outcome=Outcome.DUPLICATE)
    assert sft(record(rules, refused, twice)) == []
    assert pairs(record(answered(0, "tile", passed(50.0)), rules, refused, twice)) == []


def test_the_best_answer_stands_beside_each_that_is_worse():
    found = pairs(
        record(
            answered(0, "slow", passed(90.0)),
            answered(0, "best", passed(50.0)),
            answered(0, "bad", wrong()),
            answered(0, "nonsense", None),
            answered(2, "child", passed(10.0)),
        )
    )
    why = [(row["rejected"][0]["content"], row["provenance"]["why"]) for row in found]
    assert why == [("slow 1", "fast over slow"), ("bad 1", "passed over failed"), ("nonsense 1", "passed over failed")]
    for row in found:
        assert row["chosen"] == [{"role": "assistant", "content": "best 1"}]
        assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
        assert row["provenance"]["same_prompt"] is True
        assert (row["provenance"]["chosen"]["node"], row["provenance"]["chosen"]["time_us"]) == (2, 50.0)


def test_other_words_in_the_prompt_are_told():
    (row,) = pairs(record(answered(0, "good", passed(50.0)), answered(0, "bad", wrong(), request="with a hint")))
    assert row["provenance"]["same_prompt"] is False and row["prompt"][1]["content"] == "edit 0, turn 1"


@pytest.mark.parametrize(
    ("fast", "slow", "told"),
    [
        (passed(50.0, interval=(1.98, 2.02)), passed(55.0, interval=(1.80, 1.84)), True),
        (passed(50.0, interval=(1.90, 2.10)), passed(55.0, interval=(1.70, 1.92)), False),  # they meet
        (passed(50.0, interval=(1.98, 2.02)), passed(50.8, interval=(1.95, 1.97)), False),  # apart, and by less than the margin
        (passed(50.0), passed(50.9), False),
        (passed(50.0), passed(51.5), True),
        (passed(50.0, spread=0.1), passed(53.0, spread=0.1), False),  # within their own noise
        (passed(50.0), runs.passed(99.0, 4.0), False),  # measured and modelled
    ],
)
def test_fast_over_slow_needs_a_margin_beyond_the_noise(fast: Evaluation, slow: Evaluation, told: bool):
    assert bool(pairs(record(answered(0, "fast", fast), answered(0, "slow", slow)))) is told


def test_a_wider_margin_leaves_more_out():
    run = record(answered(0, "fast", passed(50.0)), answered(0, "slow", passed(54.0)))
    assert len(pairs(run)) == 1 and pairs(run, margin=0.1) == []
    assert len(sft(run)) == 2 and len(sft(run, margin=0.9)) == 1


def written(folder: Path, *attempts: Attempt) -> Path:
    header = Header(version="1", started="2026-11-22T21:00:00+00:00", spec=runs.SPEC, task=runs.task(), environment=runs.ENVIRONMENT)
    home = RunFolder.create(folder, header)
    for attempt in (replace(runs.attempts()[0], evaluation=passed(100.0)), *attempts):
        home.journal.append(attempt, None, 0.0)
    home.close()
    return folder


def test_export_writes_lines_in_the_same_order_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    key = "sk-ant-api03-" + "k3yk3yk3y" * 4
    one = written(tmp_path / "one", answered(0, f"ä {key}", passed(50.0)), answered(0, "bad", wrong()))
    two = written(tmp_path / "two", answered(0, "other", passed(60.0)))
    out = tmp_path / "out.jsonl"
    assert run(group, "kernelsearch", ["export", str(one), str(two), "--sft", "--out", str(out)]) == 0
    assert "2 rows from 2 runs" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert "ä [key removed] 1" in text and key not in text
    assert [json.loads(line)["messages"][-1]["content"] for line in text.splitlines()] == ["ä [key removed] 1", "other 1"]
    assert run(group, "kernelsearch", ["export", str(one), str(two), "--sft", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == text
    assert run(group, "kernelsearch", ["export", str(one), "--preference", "--out", str(out)]) == 0
    (line,) = out.read_text().splitlines()
    assert json.loads(line).keys() == {"prompt", "chosen", "rejected", "provenance"}


def test_rows_of_one_kind_have_one_shape(tmp_path: Path):
    """A table is made of them, so a field has one type throughout."""

    def shape(value: object) -> object:
        return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else type(value)

    rows = pairs(
        record(answered(0, "best", passed(50.0)), answered(0, "bad", wrong()), answered(0, "x", None), answered(0, "s", passed(90.0)))
    )
    assert len(rows) == 3 and all(shape(row) == shape(rows[0]) for row in rows)


@pytest.mark.parametrize("more", [["--out", "x.jsonl"], ["--sft"]])
def test_what_is_missing_is_named(tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]):
    folder = written(tmp_path / "one")
    assert run(group, "kernelsearch", ["export", str(folder), *more]) == 2
    assert "--sft or --preference" in (said := capsys.readouterr().err) or "--out" in said
