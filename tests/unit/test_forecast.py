"""What is known before money is spent: the prompt to the letter, its estimated size, its price, and the warning that there is none."""

import json
from pathlib import Path

import example_run as example
import pytest

import runs
from kernelsearch.cli import group, progress, run
from kernelsearch.errors import UsageError
from kernelsearch.llm import estimate
from kernelsearch.llm.base import Message, Reply
from kernelsearch.model import Budget, Proposal, Usage
from kernelsearch.propose import forecast
from kernelsearch.propose.model import ModelProposer

OPUS = "anthropic:claude-opus-5"  # 5 USD a million tokens read, 25 written
PROPOSAL = Proposal(ticket=1, parent=3, seed=0, directive="swap the axes")


def test_the_preview_is_what_is_sent():
    class Heard:
        name = "heard:1"

        def complete(self, system: str, messages: list[Message], *, seed: int = 0) -> Reply:
            self.system, self.request = system, messages[0].text
            return Reply(text="SUMMARY: x\n```cuda\n// new\n```", model="m", usage=Usage(calls=1))

    model, context = Heard(), example.passed()
    ModelProposer(model=model, edit_format="whole-file").propose(PROPOSAL, context, example.task(), example.HARDWARE)
    written = forecast.preview(PROPOSAL, context, example.task(), example.HARDWARE, edit_format="whole-file")
    assert (written.system, written.request) == (model.system, model.request)
    with pytest.raises(UsageError, match="unknown edit format 'diff'"):
        forecast.preview(PROPOSAL, context, example.task(), example.HARDWARE, edit_format="diff")


def written() -> object:
    return forecast.preview(PROPOSAL, example.passed(), example.task(), example.HARDWARE)


def test_an_attempt_costs_what_its_tokens_cost():
    found = forecast.forecast(written(), OPUS, {"max_tokens": "2000", "repairs": "1"})
    read = estimate.tokens(written().system) + estimate.tokens(written().request)
    assert found.attempt.usd == pytest.approx((read * 5 + 2000 * 25) / 1e6)
    assert found.attempt.estimated_tokens == found.attempt.tokens == read + 2000
    assert found.known and found.models[0].date == "2026-10-10"


def test_a_pool_costs_what_its_members_cost_by_their_shares():
    one = forecast.forecast(written(), OPUS, {}).attempt.usd
    pool = forecast.forecast(written(), f"pool:{OPUS}*3,replay:x", {})
    assert pool.attempt.usd == pytest.approx(0.75 * one) and pool.known


def test_no_key_is_needed_and_an_unknown_price_is_said():
    found = forecast.forecast(written(), "openai:model-of-tomorrow", {})
    assert not found.known and found.attempt.usd == 0.0
    assert forecast.unpriced(f"pool:{OPUS},openai:model-of-tomorrow", {"edit_format": "whole-file"}) == ("openai:model-of-tomorrow",)
    assert forecast.unpriced("rules", {}) == () and forecast.forecast(written(), "rules", {}) is None


def test_a_run_says_at_its_start_what_it_will_cost():
    found = forecast.at_start(runs.task(), example.HARDWARE, OPUS, {})
    usd = found.attempt.usd
    assert f"${usd:.2f}, 40 of them ${40 * usd:.2f}, by prices of 2026-10-10" in progress.expected(found, Budget(candidates=40))
    assert "no bill" in progress.expected(forecast.at_start(runs.task(), example.HARDWARE, "mailbox:x", {}), Budget())
    assert "openai:new: no price known" in progress.expected(forecast.at_start(runs.task(), example.HARDWARE, "openai:new", {}), Budget())
    assert forecast.at_start(runs.task(), example.HARDWARE, "rules", {}) is None


def test_the_prompt_of_a_task_is_shown_with_its_price(capsys: pytest.CaptureFixture[str]):
    assert run(group, "kernelsearch", ["prompt", "row_softmax", "--llm", OPUS, "--hardware", "h100", "--directive", "swap the axes"]) == 0
    said = capsys.readouterr()
    assert "# Task `row_softmax`" in said.out and "It has not been run yet." in said.out
    for model, price in (("openai:new", "no price known"), ("mailbox:letters", "no bill")):
        assert run(group, "kernelsearch", ["prompt", "row_softmax", "--llm", model, "--hardware", "h100"]) == 0
        assert capsys.readouterr().err.endswith(f"\n{model}: {price}\n")
    assert "along this idea: swap the axes." in said.out and "Mend what is wrong" not in said.out
    assert "tokens (estimated)" in said.err and f"{OPUS}: $0.2" in said.err and "2026-10-10" in said.err


def test_the_prompt_of_an_attempt_is_the_one_the_run_would_send(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs.write(tmp_path / "run")
    assert run(group, "kernelsearch", ["prompt", f"{tmp_path}/run:3", "--llm", OPUS]) == 0
    said = capsys.readouterr().out
    assert "# The present kernel: attempt 3" in said and "row 257: last element not written" in said
    assert run(group, "kernelsearch", ["prompt", f"{tmp_path}/run"]) == 0
    said = capsys.readouterr()
    assert "# The present kernel: attempt 4" in said.out  # the best
    assert "the rules read no prompt" in said.err


def test_the_prompt_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs.write(tmp_path / "run")
    assert run(group, "kernelsearch", ["prompt", f"{tmp_path}/run:1", "--llm", f"pool:{OPUS},openai:x", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["request"].startswith("# The present kernel") and [m["known"] for m in found["forecast"]["models"]] == [True, False]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{run}:99"], "no attempt '99'"),
        (["{run}:6x"], "no attempt '6x'"),
        (["{run}:7"], "attempt 7 left no kernel"),
        (["{run}", "--llm", "gemini:x"], "no language model 'gemini:x'"),
        (["{run}", "--llm-option", "edit_format=diff"], "unknown edit format 'diff'"),
        (["{run}", "--llm-option", "tone"], "write NAME=VALUE"),
    ],
)
def test_what_cannot_be_shown_is_named(tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    runs.write(tmp_path / "run")
    assert run(group, "kernelsearch", ["prompt", *(word.format(run=tmp_path / "run") for word in words)]) == 2
    assert said in capsys.readouterr().err
