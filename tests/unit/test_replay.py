"""Recorded answers: the file form, both ways of giving them, and that a recording replays as it went."""

from pathlib import Path

import pytest

from kernelsearch.errors import NothingToPropose, UsageError
from kernelsearch.llm import open_model, recorded
from kernelsearch.llm.base import LanguageModel, Message, RefusedReply, Reply
from kernelsearch.llm.recording import Recording
from kernelsearch.model import Usage


def say(model: LanguageModel, text: str) -> str:
    return model.complete("system", [Message(role="user", text=text)]).text


class Echo:
    """Answers with the prompt in capitals; declines what begins with a dash."""

    name = "echo:1"

    def complete(self, system: str, messages: list[Message], *, seed: int = 0) -> Reply:
        text = messages[-1].text
        usage = Usage(input_tokens=len(text), output_tokens=1, usd=0.25, calls=1)
        if text.startswith("-"):
            raise RefusedReply("not that", reason="declined", text="so far", usage=usage)
        return Reply(text=text.upper(), model="echo-as-served", usage=usage)


def test_answers_come_in_order_and_then_no_more(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"reply": "one"}\n\n{"reply": "two", "usage": {"input_tokens": 5, "calls": 1}}\n')
    model = open_model(f"replay:{file}")
    assert [say(model, "a"), say(model, "b")] == ["one", "two"]
    with pytest.raises(NothingToPropose, match=r"answers.jsonl holds no answer"):
        say(model, "c")


def test_a_resumed_run_skips_the_answers_it_used(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"reply": "one"}\n{"reply": "two"}\n')
    assert say(open_model(f"replay:{file}", options={"skip": "1"}), "a") == "two"


def test_a_recording_replays_by_order_and_by_prompt(tmp_path: Path):
    file = tmp_path / "deep" / "recorded.jsonl"
    recorder = Recording(Echo(), file)
    assert recorder.name == "echo:1"
    for text in ("a", "b", "a"):
        say(recorder, text)
    with pytest.raises(RefusedReply):
        say(recorder, "-x")
    by_order = open_model(f"replay:{file}")
    assert [say(by_order, "whatever") for _ in range(3)] == ["A", "B", "A"]
    by_prompt = open_model(f"replay:{file}", options={"by": "digest"})
    assert [say(by_prompt, text) for text in ("b", "a", "a")] == ["B", "A", "A"]
    with pytest.raises(RefusedReply, match="not that") as caught:
        say(by_prompt, "-x")
    assert (caught.value.reason, caught.value.text, caught.value.usage.usd) == ("declined", "so far", 0.25)
    with pytest.raises(NothingToPropose, match="no answer to this prompt"):
        say(by_prompt, "never asked")


def test_a_replayed_answer_costs_what_it_cost(tmp_path: Path):
    file = tmp_path / "recorded.jsonl"
    say(Recording(Echo(), file), "abc")
    reply = open_model(f"replay:{file}").complete("", [])
    assert reply.model == "echo-as-served"
    assert reply.usage == Usage(input_tokens=3, output_tokens=1, usd=0.25, calls=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"reply": "one"}\n{"replay": "two"}\n', "line 2"),
        ("not json\n", "line 1"),
        ('{"reply": "x", "refused": "sulking"}\n', "line 1: refused"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, text: str, words: str):
    file = tmp_path / "answers.jsonl"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        open_model(f"replay:{file}")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="gone.jsonl"):
        open_model(f"replay:{tmp_path}/gone.jsonl")


def test_answers_without_digests_cannot_go_by_digest(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"reply": "one"}\n')
    with pytest.raises(UsageError, match="prompt_digest"):
        open_model(f"replay:{file}", options={"by": "digest"})


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("gemini:x", {}, "anthropic:MODEL"),
        ("anthropic:", {}, "anthropic:MODEL"),
        ("rules", {}, "no language model"),
        ("replay:x", {"colour": "red"}, "no option 'colour'"),
        ("mailbox:x", {"by": "order"}, "no option 'by'"),
        ("openai:x", {"base_url": "http://h", "timeout_s": "soon"}, "timeout_s"),
        ("openai:x", {"base_url": "http://h", "max_tokens": "-5"}, "max_tokens"),
    ],
)
def test_a_spec_or_option_that_cannot_be_is_named(spec: str, options: dict[str, str], words: str):
    with pytest.raises(UsageError, match=words):
        open_model(spec, options=options)


def test_a_wrong_order_is_named(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text('{"reply": "one"}\n')
    with pytest.raises(UsageError, match="`order` or by `digest`"):
        open_model(f"replay:{file}", options={"by": "luck"})


def test_a_pool_is_recorded_in_one_file_and_replayed_from_the_folder_of_the_run(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(f'{{"reply": "{name}"}}\n' * 9)
    folder = tmp_path / "run"
    pool = recorded(open_model(f"pool:replay:{tmp_path}/one,replay:{tmp_path}/two"), folder / "answers.jsonl")
    said = [pool.complete("", [], seed=seed).text for seed in range(8)]
    assert set(said) == {"one", "two"}
    again = open_model(f"replay:{folder}")
    assert [again.complete("", []).text for _ in said] == said


def test_a_run_in_which_no_model_was_asked_has_no_answers_and_says_so(tmp_path: Path):
    with pytest.raises(UsageError, match=r"answers.jsonl: no model was asked in that run$"):
        open_model(f"replay:{tmp_path}")
    with pytest.raises(UsageError, match=r"absent: no such file or folder$"):
        open_model(f"replay:{tmp_path / 'absent'}")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is not text in UTF-8"):
        open_model(f"replay:{tmp_path / 'binary'}")
