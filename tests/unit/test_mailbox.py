"""Prompts and answers as files: what counts as an answer, what is asked once, and how long is waited."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kernelsearch.errors import LlmBusy, UsageError
from kernelsearch.llm.base import Message
from kernelsearch.llm.mailbox import Mailbox, Patience

ASK = [Message(role="user", text="make it faster")]


class Clock:
    """Time passes only in `sleep`, and something may happen at each look."""

    def __init__(self, *events: Callable[[], object]) -> None:
        self.now = 0.0
        self.events = list(events)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.events:
            self.events.pop(0)()

    def patience(self, limit_s: float = 10.0) -> Patience:
        return Patience(limit_s=limit_s, poll_s=1.0, sleep=self.sleep, clock=lambda: self.now)


def nothing() -> None:
    pass


def test_a_prompt_is_self_contained_and_the_answer_is_taken(tmp_path: Path):
    answer = tmp_path / "box" / "0001.answer.md"
    clock = Clock(nothing, lambda: answer.write_text("my edit"))
    talk = [*ASK, Message(role="assistant", text="like so?"), Message(role="user", text="no, ``` differs")]
    reply = Mailbox(tmp_path / "box", clock.patience()).complete("You edit kernels.", talk)
    assert reply.text == "my edit"
    assert (reply.usage.calls, reply.usage.input_tokens, reply.usage.seconds) == (1, 0, 3.0)
    page = (tmp_path / "box" / "0001.prompt.md").read_text()
    places = [page.index(part) for part in ("0001.answer.md", "You edit kernels.", "make it faster", "like so?", "no, ``` differs")]
    assert places == sorted(places)
    assert [path.name for path in sorted((tmp_path / "box").iterdir())] == ["0001.answer.md", "0001.prompt.md"]


def test_a_half_written_answer_is_waited_for(tmp_path: Path):
    answer = tmp_path / "0001.answer.md"
    parts = ["", "SUMM", "SUMMARY: x", "SUMMARY: x\nwhole"]
    clock = Clock(*[lambda text=text: answer.write_text(text) for text in parts])
    assert Mailbox(tmp_path, clock.patience()).complete("", ASK).text == "SUMMARY: x\nwhole"


def test_an_empty_answer_is_no_answer(tmp_path: Path):
    answer = tmp_path / "0001.answer.md"
    clock = Clock(lambda: answer.write_text(" \n"), nothing, nothing, lambda: answer.write_text("text"))
    assert Mailbox(tmp_path, clock.patience()).complete("", ASK).text == "text"


def test_an_answer_may_be_renamed_into_place(tmp_path: Path):
    (tmp_path / "draft").write_text("from elsewhere")
    clock = Clock(lambda: (tmp_path / "draft").rename(tmp_path / "0001.answer.md"))
    assert Mailbox(tmp_path, clock.patience()).complete("", ASK).text == "from elsewhere"


def test_after_the_limit_the_prompt_stays_for_a_resumed_run(tmp_path: Path):
    with pytest.raises(LlmBusy, match=r"0001.answer.md after 5 s"):
        Mailbox(tmp_path, Clock().patience(5)).complete("", ASK)
    (tmp_path / "0001.answer.md").write_text("later")
    assert Mailbox(tmp_path, Clock().patience()).complete("", ASK).text == "later"
    assert len(list(tmp_path.glob("*.prompt.md"))) == 1


def prompts(folder: Path) -> list[str]:
    return [path.name for path in sorted(folder.glob("*.prompt.md"))]


def test_another_prompt_is_another_file(tmp_path: Path):
    box = Mailbox(tmp_path, Clock().patience(0))
    for text in ("one", "two", "one"):
        with pytest.raises(LlmBusy):
            box.complete("", [Message(role="user", text=text)])
    assert prompts(tmp_path) == ["0001.prompt.md", "0002.prompt.md"]


def test_a_prompt_asked_twice_at_once_is_two_files(tmp_path: Path):
    def ask_again() -> None:
        with pytest.raises(LlmBusy, match="0002"):
            box.complete("", ASK)

    box = Mailbox(tmp_path, Clock(ask_again).patience())
    with pytest.raises(LlmBusy, match="0001"):
        box.complete("", ASK)
    assert prompts(tmp_path) == ["0001.prompt.md", "0002.prompt.md"]


def test_an_answer_is_used_once_in_a_session(tmp_path: Path):
    for number in (1, 2):
        (tmp_path / f"000{number}.answer.md").write_text(f"answer {number}")
    box = Mailbox(tmp_path, Clock().patience())
    assert [box.complete("", ASK).text for _ in range(2)] == ["answer 1", "answer 2"]


def test_a_number_that_another_process_took_is_not_overwritten(tmp_path: Path):
    box = Mailbox(tmp_path, Clock().patience(0))
    (tmp_path / "0001.prompt.md").write_text("another process was here")
    with pytest.raises(LlmBusy, match="0002.answer.md"):
        box.complete("", ASK)
    assert (tmp_path / "0001.prompt.md").read_text() == "another process was here"


def test_foreign_files_do_not_disturb(tmp_path: Path):
    (tmp_path / "notes.prompt.md").write_text("mine")
    (tmp_path / "0007.prompt.md").write_bytes(b"\xff\xfe")
    with pytest.raises(LlmBusy, match="0001.answer.md"):
        Mailbox(tmp_path, Clock().patience(0)).complete("", ASK)


def test_an_answer_need_not_be_clean_text(tmp_path: Path):
    (tmp_path / "0001.answer.md").write_bytes("größer".encode("latin-1"))
    assert re.fullmatch("gr.+er", Mailbox(tmp_path, Clock().patience()).complete("", ASK).text)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file/box"):
        Mailbox(tmp_path / "file" / "box")
