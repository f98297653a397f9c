"""Edits from a model: applied, sent back with the reason, or given up, and paid for in every case."""

from pathlib import Path

import example_run as example
import pytest
from scripted import BAD, GOOD, Scripted

from kernelsearch.errors import LlmBusy, LlmMisconfigured, NothingToPropose, UsageError
from kernelsearch.llm.base import RefusedReply
from kernelsearch.model import Proposal, Usage
from kernelsearch.propose import open_proposer
from kernelsearch.propose.base import Draft, UnusableReply
from kernelsearch.propose.model import ModelProposer


def propose(model: Scripted, directive: str | None = None, **options: object) -> Draft:
    context = example.passed()
    proposal = Proposal(ticket=1, parent=3, seed=42, directive=directive)
    return ModelProposer(model=model, **options).propose(proposal, context, example.task(), example.HARDWARE)


def test_an_edit_is_applied_and_its_origin_is_whole():
    model = Scripted(GOOD)
    draft = propose(model)
    assert draft.source == example.SOURCE.replace("blockIdx.x * blockDim.x + threadIdx.x", "blockIdx.y")
    assert draft.flags == ("-O3",)
    origin = draft.origin
    assert (origin.proposer, origin.model, origin.summary) == ("scripted:1", "scripted-as-served", "swap the thread axes")
    assert origin.directive == "swap the thread axes"
    assert origin.usage == Usage(input_tokens=10, output_tokens=2, usd=0.5, calls=1)
    system, messages, seed = model.heard[0]
    assert origin.prompt.startswith(system.strip()) and messages[0].text.strip() in origin.prompt
    assert origin.reply == GOOD.strip()
    assert seed == 42


def test_a_directive_is_passed_on_and_names_the_edit():
    model = Scripted(GOOD)
    assert propose(model, directive="shared-memory tiles").origin.directive == "shared-memory tiles"
    assert "along this idea: shared-memory tiles." in model.heard[0][1][0].text


def test_flags_in_the_reply_replace_the_parents():
    assert propose(Scripted("FLAGS: -O3 -maxrregcount=64\n" + GOOD)).flags == ("-O3", "-maxrregcount=64")


def test_an_edit_that_does_not_apply_goes_back_with_the_reason():
    model = Scripted(BAD, "no edit at all", GOOD)
    draft = propose(model)
    assert "blockIdx.y" in draft.source
    assert draft.origin.usage == Usage(input_tokens=30, output_tokens=6, usd=1.5, calls=3)
    talk = model.heard[2][1]
    assert [message.role for message in talk] == ["user", "assistant", "user", "assistant", "user"]
    assert talk[1].text == BAD and "Block 1 does not match" in talk[2].text and "not in the source" in talk[2].text
    assert "holds no block" in talk[4].text
    for part in (BAD.strip(), "no edit at all", GOOD.strip()):
        assert part in draft.origin.reply
    assert "Block 1 does not match" in draft.origin.prompt


def test_nonsense_for_ever_ends_as_an_unusable_reply_that_is_paid_for():
    model = Scripted(*["nonsense"] * 9)
    with pytest.raises(UnusableReply, match="no answer in 3 could be applied.*holds no block") as caught:
        propose(model)
    assert len(model.heard) == 3
    assert caught.value.usage == Usage(input_tokens=30, output_tokens=6, usd=1.5, calls=3)
    assert caught.value.reply.count("nonsense") == 3
    assert "Your turn" in caught.value.prompt


def test_repairs_may_be_switched_off():
    model = Scripted(BAD, GOOD)
    with pytest.raises(UnusableReply, match="no answer in 1"):
        propose(model, repairs=0)
    assert len(model.heard) == 1


def test_the_whole_file_format_has_its_own_words():
    model = Scripted("SUMMARY: new\n```cuda\n__global__ void k() {}\n```")
    assert propose(model, edit_format="whole-file").source == "__global__ void k() {}\n"
    assert "complete new source" in model.heard[0][0] and "SEARCH" not in model.heard[0][0]


def test_a_refusal_carries_all_that_was_said_and_paid():
    refused = RefusedReply("cut off", reason="truncated", text="half", usage=Usage(output_tokens=100, calls=1))
    with pytest.raises(RefusedReply, match="cut off") as caught:
        propose(Scripted(BAD, refused))
    error = caught.value
    assert error.reason == "truncated"
    assert error.text.startswith(BAD.strip()) and error.text.endswith("half")
    assert error.usage == Usage(input_tokens=10, output_tokens=102, usd=0.5, calls=2)
    assert "Your turn" in error.prompt


@pytest.mark.parametrize("failure", [LlmBusy("overloaded"), NothingToPropose("script over")])
def test_a_failure_before_any_answer_passes_as_it_is(failure: Exception):
    with pytest.raises(type(failure), match=str(failure)):
        propose(Scripted(failure))


@pytest.mark.parametrize("failure", [LlmBusy("overloaded"), NothingToPropose("script over")])
def test_a_failure_during_a_repair_keeps_what_was_paid(failure: Exception):
    with pytest.raises(UnusableReply, match=f"asking again failed .{failure}.*Block 1 does not match") as caught:
        propose(Scripted(BAD, failure))
    assert caught.value.usage.calls == 1 and caught.value.usage.usd == 0.5


def test_a_wrong_set_up_is_never_an_attempts_failure():
    with pytest.raises(LlmMisconfigured, match="no key"):
        propose(Scripted(BAD, LlmMisconfigured("no key")))


def test_an_unknown_format_is_named():
    with pytest.raises(UsageError, match="'diff'.*search-replace, whole-file"):
        ModelProposer(model=Scripted(), edit_format="diff")


def test_a_proposer_opens_by_its_spec(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"reply": "none"}\n')
    proposer = open_proposer(f"replay:{file}", options={"repairs": "0", "edit_format": "whole-file", "by": "order"})
    assert proposer.name == f"replay:{file}"
    with pytest.raises(UnusableReply, match="no answer in 1.*fenced"):
        proposer.propose(Proposal(ticket=1, parent=3, seed=0), example.passed(), example.task(), example.HARDWARE)


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("rules", {"repairs": "1"}, "takes no options; given: repairs"),
        ("mailbox:x", {"repairs": "many"}, "repairs = 'many'"),
        ("mailbox:x", {"tone": "friendly"}, "no option 'tone'"),
        ("oracle", {}, "no language model 'oracle'"),
    ],
)
def test_a_wrong_spec_or_option_is_named(spec: str, options: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        open_proposer(spec, options=options)
